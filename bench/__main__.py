"""`make bench`: the bridge beside Moonraker on this machine, in one run, as ratios.

A figure of one day means nothing beside that of another: neighbours, clock rates and caches differ. So all
servers take turns within each round, and the medians of the rounds are compared.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent))  # also when started from elsewhere

from bench.files import ALL as SCENARIOS
from bench.report import table
from bench.scenarios import Figure
from bench.servers import KINDS, Kind


async def measure(
    figures: list[Figure], names: Sequence[str], kinds: Sequence[Kind], rounds: int, scale: float
) -> None:
    """Add the figures of all rounds of all scenarios."""
    for number in range(rounds):
        for name in names:
            load = f"load {os.getloadavg()[0]:.1f}"
            print(f"round {number + 1} of {rounds}: {name}, {load}", file=sys.stderr, flush=True)
            async for figure in SCENARIOS[name](kinds, number, scale):
                figures.append(figure)  # noqa: PERF401 - what is there stays when a later one fails


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians are shown")
    parser.add_argument("--scale", type=float, default=1.0, help="of the length of each window")
    parser.add_argument(
        "--only", help="comma-separated servers; the first is what the others are compared to"
    )
    parser.add_argument("--no-install", action="store_true", help="use .venv-bench as it is")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(unknown)}")
    by_name = {kind.name: kind for kind in KINDS}
    kinds = [by_name[name] for name in options.only.split(",")] if options.only else list(KINDS)
    if not options.no_install:
        for kind in kinds:
            kind.install()
    figures: list[Figure] = []
    try:
        uvloop.run(measure(figures, options.scenarios, kinds, options.rounds, options.scale))
    finally:
        print("\n".join(table(figures, [kind.name for kind in kinds])))


if __name__ == "__main__":
    main()
