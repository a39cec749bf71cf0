"""The command line: run, demo, check-config, doctor, call, rediscover, purge, acl, api, db, simulate."""

import argparse
import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.cli import call, check, db, run
from bridge.errors import BridgeError, ConfigError
from bridge.threads import ThreadEach

USAGE, FAILED, INTERRUPTED = 2, 1, 130  # the last is what shells expect of Ctrl-C
LAST_PORT, MOST = 65_535, 1e6
DEFAULT_CONFIG = "~/printer_data/config/bridge.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its answer is the exit code."""
    options = parser().parse_args(arguments)
    try:
        return drive(options.command(options))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; there is nobody to tell
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BridgeError as error:
        print(f"klipper-bridge: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else FAILED
    except OSError as error:
        print(f"klipper-bridge: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
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
    one.set_defaults(command=lambda o: run.run(o.config))

    one = commands.add_parser("demo", help="run a broker, a simulated printer and the bridge, all here")
    one.add_argument(
        "--mqtt-port", type=port, default=1883, help="port of the broker; another one when taken"
    )
    one.add_argument("--http-port", type=port, default=7125, help="port of HTTP; another one when taken")
    one.add_argument("--speed", type=positive, default=5.0, help="how much faster than life the printer is")
    one.add_argument(
        "--listen",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of the broker; 0.0.0.0 lets other machines in, without a password",
    )
    one.add_argument("--serial", action="store_true", help="a Marlin printer on a serial line, no Klippy")
    one.set_defaults(
        command=lambda o: _late("demo").run(o.mqtt_port, o.http_port, o.speed, o.listen, serial=o.serial)
    )

    one = commands.add_parser("check-config", help="check the configuration, the broker and the socket")
    _config_option(one)
    one.set_defaults(command=lambda o: check.run(o.config))

    one = commands.add_parser("doctor", help="one page: how everything is, what is wrong and the remedy")
    _config_option(one)
    one.set_defaults(command=lambda o: _late("doctor").run(o.config))

    one = commands.add_parser("call", help="call a method of the running bridge, over MQTT")
    _config_option(one)
    one.add_argument("--timeout", type=positive, default=10.0, help="seconds to wait for the answer")
    one.add_argument("method", help="such as printer.info")
    one.add_argument(
        "params",
        nargs="*",
        type=call.argument,
        metavar="NAME=VALUE",
        help="parameters; a value that is JSON is taken as such, any other as text",
    )
    one.set_defaults(command=lambda o: call.run(o.config, o.method, o.params, o.timeout))

    one = commands.add_parser("api", help="write the descriptions of the API into the project's files")
    one.add_argument("--output", type=path, default=".", help="the project's folder")
    one.set_defaults(command=lambda o: _late("api").run(o.output))

    _broker_commands(commands)
    _db_commands(commands.add_parser("db", help="the database as JSON, while the bridge is stopped"))

    _simulators(commands)
    return root


def _simulators(commands: Any) -> None:
    one = commands.add_parser("simulate", help="run the simulated printer alone")
    one.add_argument("--socket", type=path, required=True, help="where its API socket shall be")
    one.add_argument("--gcodes", type=path, required=True, help="the folder of its virtual SD card")
    one.add_argument("--speed", type=positive, default=1.0, help="how much faster than life it is")
    one.set_defaults(command=lambda o: _late("simulate").run(o.socket, o.gcodes, o.speed))

    one = commands.add_parser("simulate-serial", help="run a simulated printer on a serial line alone")
    one.add_argument("--port", type=path, required=True, help="where its serial port shall be")
    one.add_argument(
        "--firmware",
        choices=("marlin", "marlin_plain", "reprap", "klipper"),
        default="marlin",
        help="what it speaks; marlin_plain is one without capabilities",
    )
    one.add_argument("--speed", type=positive, default=1.0, help="how much faster than life it is")
    one.set_defaults(command=lambda o: _late("simulate").serial(o.port, o.speed, o.firmware))


def _broker_commands(commands: Any) -> None:
    one = commands.add_parser("rediscover", help="have the running bridge describe its devices anew")
    _config_option(one)
    one.add_argument("--timeout", type=positive, default=10.0, help="seconds to wait for the answer")
    one.set_defaults(command=lambda o: _late("rediscover").run(o.config, o.timeout))

    one = commands.add_parser("purge", help="clear every retained topic, while the bridge is stopped")
    _config_option(one)
    one.set_defaults(command=lambda o: _late("purge").run(o.config))

    one = commands.add_parser("acl", help="print rules for the broker: who needs which topics")
    _config_option(one)
    one.set_defaults(command=lambda o: _late("acl").run(o.config))


def _late(name: str) -> Any:
    """The module of a command that needs more than `run`, which shall be ready soon and stay small."""
    return importlib.import_module(f"bridge.cli.{name}")


def _db_commands(root: argparse.ArgumentParser) -> None:
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("export", help="write everything that the bridge keeps as JSON")
    _config_option(one)
    one.add_argument("file", nargs="?", type=path, metavar="FILE", help="where to; default: standard output")
    one.set_defaults(command=lambda o: db.export(o.config, o.file))

    one = commands.add_parser("import", help="replace everything that the bridge keeps, or nothing")
    _config_option(one)
    one.add_argument("file", type=path, metavar="FILE", help="what `db export` wrote")
    one.set_defaults(command=lambda o: db.load_in(o.config, o.file))


def _config_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        "-c",
        type=path,
        default=DEFAULT_CONFIG,
        help=f"the configuration; default {DEFAULT_CONFIG}",
    )


def path(text: str) -> Path:
    """A path; `~` is somebody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def port(text: str) -> int:
    """A port that one can listen on."""
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to {LAST_PORT}, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """A number above zero that is no more than a million."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
