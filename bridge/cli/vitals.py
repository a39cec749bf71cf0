"""What `klipper-bridge doctor` looks at of the machine and of the bridge itself."""

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

from bridge import __version__
from bridge.cli.check import Fact, Report, runs
from bridge.config import Config, secrets_of
from bridge.errors import BridgeError
from bridge.extras import remedy
from bridge.folders import Folders
from bridge.host.about import cpu, distribution
from bridge.host.clock import synchronised
from bridge.host.kernel import Kernel
from bridge.host.load import Load
from bridge.host.throttle import FLAGS, Firmware, ask
from bridge.logs import FILE
from bridge.nearby import is_loopback

LIBRARIES = ("aiohttp", "aiomqtt", "msgspec", "psutil")
# extra -> the module that comes with it
EXTRAS = {
    "speed": "uvloop",
    "zeroconf": "zeroconf",
    "notifiers": "apprise",
    "gpio": "gpiod",
    "serial": "serial_asyncio",
    "tplink": "kasa",
    "demo": "amqtt",
}
MIB = 1 << 20
TOO_LITTLE, LITTLE = 100 * MIB, 1024 * MIB  # free bytes: nothing works for long, or uploads will fail soon
HOT = 80.0  # degrees; a Raspberry Pi slows down there
NOW_FLAGS = frozenset(words for place, words in FLAGS.items() if place < 16)  # noqa: PLR2004 - later ones are history
BY_ANYBODY = 0o004
TAIL = 262_144  # bytes of the log that are looked at


async def versions(_config: Config | None = None) -> Report:
    """What runs on what."""
    kernel = Kernel()
    found = " ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    yield Fact(f"klipper-bridge {__version__}, Python {platform.python_version()}, {found}")
    machine = cpu(kernel)["model"] or platform.machine()
    system = distribution(kernel)
    yield Fact(f"{machine}, {system['name'] or 'an unknown system'}, Linux {system['kernel_version']}")


async def secrets(path: Path, config: Config) -> Report:
    """Whether others on this machine can read them."""
    known = secrets_of(config) | {one for one in config.confidential if one}
    written = known - config.confidential  # what came by `!secret` does not stand in the file itself
    for one, looked_for in ((path, written), (path.with_name("secrets.yaml"), known)):
        if not one.is_file() or not one.stat().st_mode & BY_ANYBODY:
            continue
        text = one.read_text(encoding="utf-8", errors="replace")
        if any(secret in text for secret in looked_for):
            yield Fact(
                f"everybody on this machine can read the secrets in {one.name}; chmod 600 {one}", "note"
            )


async def disk(config: Config) -> Report:
    """Whether there is room, and whether what is there belongs to us."""
    folders = Folders(Path(config.data).expanduser())
    if not folders.own.is_dir():
        return  # told already
    usage = shutil.disk_usage(folders.data)
    text = f"{usage.free / MIB:,.0f} MiB of {usage.total / MIB:,.0f} MiB are free"
    if usage.free < TOO_LITTLE:
        raise BridgeError(f"{text}; delete old G-code files, timelapses or logs")
    yield Fact(text) if usage.free >= LITTLE else Fact(f"{text}; soon uploads will fail", "note")
    ours = [path for folder in (folders.own, folders.logs) for path in folder.glob("*") if path.exists()]
    locked = sorted(path for path in ours if not os.access(path, os.R_OK | os.W_OK) and _is_ours(path))
    if locked:
        more = f" and {len(locked) - 1} more" if len(locked) > 1 else ""
        raise BridgeError(
            f"{locked[0]}{more}: no right to write; somebody else has run the bridge (root?). "
            f"sudo chown -R {os.getuid()} {folders.own} {folders.logs}"
        )


def _is_ours(path: Path) -> bool:
    """Other programs keep their logs in the same folder."""
    return path.parent.name != "logs" or path.name.startswith(FILE)


async def clock(_config: Config | None = None) -> Report:
    """Whether the times in history, events and Home Assistant will be right."""
    match synchronised():
        case True:
            yield Fact("the clock is kept right over the network")
        case False:
            yield Fact(
                "nobody keeps the clock right: times of jobs may be wrong; sudo timedatectl set-ntp true "
                "(a container takes its machine's)",
                "note",
            )
        case None:
            yield Fact("the kernel does not tell whether the clock is kept right", "note")


async def processor(_config: Config | None = None) -> Report:
    """Whether it is cool and has power enough."""
    kernel = Kernel()
    load = Load(kernel)
    load.begin()
    stats, state = load.newest(0), await Firmware(kernel, ask).read()
    heat = "temperature not known" if stats.cpu_temp is None else f"{stats.cpu_temp:.0f} °C"
    memory = f"{stats.system_memory.available // 1024} MiB of memory free"
    if stats.cpu_temp is not None and stats.cpu_temp >= HOT:
        yield Fact(f"{heat}: too hot; give it air or a heat sink", "note")
    yield Fact(f"{heat}, {memory}")
    flags = [] if state is None else state.flags
    if now := [words for words in flags if words in NOW_FLAGS]:
        raise BridgeError(f"{', '.join(now)}; a better power supply and a short cable, or cooling, mend it")
    if flags:
        yield Fact(f"since it was booted: {', '.join(flags)}; is the power supply strong enough?", "note")


async def extras(config: Config) -> Report:
    """Which optional parts are there."""
    there = {name for name, module in EXTRAS.items() if importlib.util.find_spec(module) is not None}
    missing = [name for name in EXTRAS if name not in there]
    installed = [name for name in EXTRAS if name in there]
    yield Fact(f"installed: {', '.join(installed) or 'none'}; missing: {', '.join(missing) or 'none'}")
    if config.zeroconf.enabled and not is_loopback(config.http.host) and "zeroconf" not in there:
        mend = f"{remedy('zeroconf')}, or zeroconf.enabled: false"
        yield Fact(f"apps do not find the bridge by themselves; {mend}", "note")


async def bridge(config: Config) -> Report:
    """Whether it runs, and what its log complains of."""
    folders = Folders(Path(config.data).expanduser())
    if not os.access(folders.own, os.W_OK):
        return  # told already
    if (who := await runs(folders)) is not None:
        yield Fact(f"it runs: {who}")
    else:
        yield Fact("it does not run; sudo systemctl start klipper-bridge, or klipper-bridge run", "note")
    errors = await asyncio.to_thread(_errors, folders.logs / FILE)
    if errors:
        yield Fact(f"{len(errors)} errors in {FILE}, the last: {errors[-1][:200]}", "note")


def _errors(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read(TAIL).decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line[24:29] == "ERROR"]
