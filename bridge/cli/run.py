"""`klipper-bridge run`: the bridge until it is told to stop, built anew when it is told to restart."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge import __version__
from bridge.app import Bridge, build
from bridge.below import Process
from bridge.config import Config, load
from bridge.errors import BadRequest, ConfigError, InternalError
from bridge.folders import Folders
from bridge.logs import Log
from bridge.store.lock import InUse

log = logging.getLogger(__name__)

Opened = Callable[[Bridge], None]


class Stop:
    """The wish to end: for good, or only this life of the bridge."""

    def __init__(self) -> None:
        self.final = False
        self.renewed = False  # a new process shall take over
        self.event = asyncio.Event()

    def ask(self) -> None:
        """End for good."""
        self.final = True
        self.event.set()

    def renew(self) -> None:
        """End, so that a new process takes over."""
        self.renewed = True
        self.event.set()

    def live_again(self) -> None:
        """Begin a new life, unless the end was asked for meanwhile."""
        if not self.final:
            self.event.clear()


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """A Stop that SIGTERM and SIGINT ask for."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def run(path: Path) -> int:
    """Run with the configuration at `path`."""
    with stopped_by_signals() as stop:
        await lives(path, stop)
    if stop.renewed and not stop.final:
        log.info("a new process takes over")
        take_over()
    return 0


def take_over() -> None:
    """Become a new process of the same command: its number stays, its code is read anew."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own words


async def lives(path: Path, stop: Stop, opened: Opened = lambda _bridge: None) -> None:
    """One life of the bridge after the other, each with the configuration as it then is."""
    while not (stop.final or stop.renewed):
        stop.live_again()
        await _live(load(path), path, stop, opened)


async def _live(config: Config, path: Path, stop: Stop, opened: Opened) -> None:
    """One life of the bridge: from a configuration to the end or a restart."""

    def check() -> None:
        try:
            load(path)
        except ConfigError as error:
            text = str(error).replace(str(path), path.name)
            raise BadRequest(f"Not restarted, the configuration has a mistake: {text}") from error

    def restart() -> None:
        check()
        stop.event.set()

    def renew() -> None:
        check()
        stop.renew()

    logs = Log(config)
    try:
        Folders(Path(config.data).expanduser()).make()
        logs.start()
        process = Process(renew, logs.roll_over)
        bridge = build(config, config_name=path.name, restart=restart, process=process)
        log.info("klipper-bridge %s starts as '%s'", __version__, bridge.identity.name)
        await bridge.run(stop.event, lambda: opened(bridge))
        log.info("klipper-bridge %s", "ends" if stop.final else "restarts")
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    except InUse as error:
        raise ConfigError(f"{error}; end that one, or give this one another folder (data)") from error
    except Exception as error:
        log.exception("klipper-bridge ends by a fault of its own")
        raise InternalError(
            "ended by a fault of its own; please report the lines of the log above"
        ) from error
    finally:
        logs.stop()
