"""The command line: run, demo, check-config, call, api, simulate."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.cli import api, call, check, demo, run, simulate
from bridge.errors import BridgeError, ConfigError
from bridge.mqtt.connection import ThreadEach

USAGE, FAILED = 2, 1
DEFAULT_CONFIG = Path("~/printer_data/config/bridge.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its answer is the exit code."""
    options = parser().parse_args(arguments)
    try:
        return drive(options.command(options))
    except ConfigError as error:
        print(f"klipper-bridge: {error}", file=sys.stderr)
        return USAGE
    except BridgeError as error:
        print(f"klipper-bridge: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130  # what shells expect of an interrupted command
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        return FAILED


def drive(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` in an event loop, uvloop's where it is installed."""

    async def with_threads() -> int:
        asyncio.get_running_loop().set_default_executor(ThreadEach())
        return await work

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(with_threads())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    root = argparse.ArgumentParser(
        prog="klipper-bridge", description="An MQTT-first home-automation bridge for Klipper 3D printers."
    )
    root.add_argument("--version", action="version", version=f"klipper-bridge {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("run", help="run the bridge")
    _config_option(one)
    one.set_defaults(command=lambda options: run.run(options.config))

    one = commands.add_parser("demo", help="run a broker, a simulated printer and the bridge, all here")
    one.add_argument("--mqtt-port", type=int, default=1883, help="port of the broker; another one when taken")
    one.add_argument("--http-port", type=int, default=7125, help="port of HTTP; another one when taken")
    one.add_argument("--speed", type=float, default=5.0, help="how much faster than life the printer is")
    one.set_defaults(command=lambda options: demo.run(options.mqtt_port, options.http_port, options.speed))

    one = commands.add_parser("check-config", help="check the configuration, the broker and the socket")
    _config_option(one)
    one.set_defaults(command=lambda options: check.run(options.config))

    one = commands.add_parser("call", help="call a method of the running bridge, over MQTT")
    _config_option(one)
    one.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the answer")
    one.add_argument("method", help="such as printer.info")
    one.add_argument("params", nargs="*", metavar="NAME=VALUE", help="parameters; values may be JSON")
    one.set_defaults(
        command=lambda options: call.run(options.config, options.method, options.params, options.timeout)
    )

    one = commands.add_parser("api", help="write the descriptions of the API into the project's files")
    one.add_argument("--output", type=Path, default=Path(), help="the project's folder")
    one.set_defaults(command=lambda options: api.run(options.output))

    one = commands.add_parser("simulate", help="run the simulated printer alone")
    one.add_argument("--socket", type=Path, required=True, help="where its API socket shall be")
    one.add_argument("--gcodes", type=Path, required=True, help="the folder of its virtual SD card")
    one.add_argument("--speed", type=float, default=1.0, help="how much faster than life it is")
    one.set_defaults(command=lambda options: simulate.run(options.socket, options.gcodes, options.speed))
    return root


def _config_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        "-c",
        type=Path,
        default=DEFAULT_CONFIG,
        help=f"the configuration; default {DEFAULT_CONFIG}",
    )


if __name__ == "__main__":
    sys.exit(main())
