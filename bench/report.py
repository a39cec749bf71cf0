"""The figures as a table: medians, and the ratio of each server to the first."""

import statistics
from collections.abc import Iterable, Sequence

from bench.scenarios import Figure

# What the bridge without uvloop shall reach as a ratio to Moonraker, by how a name begins and what it holds
TARGETS = (
    ("start: ready", "", 0.6),
    ("idle: RSS", "", 1.0),
    ("mqtt server.info c1p1", "CPU", 1.0),
    ("mqtt server.info c1p32", "CPU", 1.5),
    ("mqtt printer.objects.query c1p1", "CPU", 1.0),
    ("mqtt printer.objects.query c1p32", "CPU", 1.5),
    ("websocket", "CPU", 0.7),
    ("http", "CPU", 0.7),
    ("200 WebSockets 50 Hz", "CPU", 0.4),
    ("200 WebSockets 50 Hz", "p50", 1.0),
)


def target(name: str) -> float | None:
    """The ratio that this figure shall not exceed, where there is one."""
    found = (most for start, part, most in TARGETS if name.startswith(start) and part in name)
    return next(found, None)


def table(figures: Iterable[Figure], servers: Sequence[str]) -> list[str]:
    """Lines of Markdown."""
    found: dict[str, dict[str, list[float]]] = {}
    for server, name, value in figures:
        found.setdefault(name, {}).setdefault(server, []).append(value)
    others = servers[1:]
    lines = [
        f"| figure | {servers[0]} | {' | '.join(f'{name} / {servers[0]}' for name in others)} | target |",
        "|---" * (len(others) + 3) + "|",
    ]
    for name, by_server in found.items():
        first = _median(by_server, servers[0])
        ratios = [_ratio(name, _median(by_server, other), first) for other in others]
        most = target(name)
        cells = [
            name,
            "-" if first is None else f"{first:.3g}",
            *ratios,
            "" if most is None else f"<= {most:g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _median(by_server: dict[str, list[float]], server: str) -> float | None:
    values = by_server.get(server)
    return statistics.median(values) if values else None


def _ratio(name: str, value: float | None, first: float | None) -> str:
    if value is None:
        return "-"
    if "share" in name:  # all or not: a ratio would say nothing
        return f"{value:.3g} of all"
    return f"{value / first:.2f}" if first else f"{value:.3g}"
