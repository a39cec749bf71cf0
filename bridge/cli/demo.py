"""`klipper-bridge demo`: broker, simulated printer and bridge in one process, to look at."""

import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.app import Bridge
from bridge.cli.run import live, stopped_by_signals
from bridge.config import Config, convert
from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from bridge.klippy.state import KlippyInfo, KlippyState

HOST = "127.0.0.1"
SAMPLE = "demo cube.gcode"

WELCOME = """
klipper-bridge demo: a broker, a simulated printer and the bridge

  MQTT   {host}:{mqtt}   everything:  mosquitto_sub -h {host} -p {mqtt} -t '#' -v
  HTTP   http://{host}:{http}   status:  curl http://{host}:{http}/server/info

  Ask:      mosquitto_rr -h {host} -p {mqtt} -t {name}/moonraker/api/request/me \\
              -e {name}/moonraker/api/response/me \\
              -m '{{"jsonrpc":"2.0","method":"printer.info","id":1}}'
  Pause:    mosquitto_pub -h {host} -p {mqtt} -t {name}/control/pause/set -m PRESS
  Home Assistant: add the MQTT integration with this broker; the printer shows up by itself.

"{sample}" is printing, {speed:g} times faster than life. Ctrl-C ends the demo.
"""


async def run(mqtt_port: int, http_port: int, speed: float) -> int:
    """Run the demo until SIGTERM or SIGINT."""
    with stopped_by_signals() as stop, tempfile.TemporaryDirectory(prefix="klipper-bridge-") as folder:
        data = Path(folder)
        (data / "gcodes").mkdir()
        write_sample(data / "gcodes" / SAMPLE)
        config = _config(data, free_port(mqtt_port), free_port(http_port))
        async with _broker(config), Simulator(data / "klippy.sock", data / "gcodes", speed=speed):
            await live(config, data / "demo.yaml", stop, lambda bridge: _welcome(bridge, speed))
    return 0


def _welcome(bridge: Bridge, speed: float) -> None:
    """Say where everything is, and start the print as soon as the printer is ready."""
    config = bridge.config
    name = bridge.identity.name
    places = {"host": HOST, "mqtt": config.mqtt.port, "http": config.http.port, "name": name}
    print(WELCOME.format(**places, sample=SAMPLE, speed=speed), flush=True)

    def print_when_ready(info: KlippyInfo) -> None:
        if info.state is KlippyState.READY:
            disconnect()
            bridge.klippy_link.send(
                "gcode/script", {"script": f'SDCARD_PRINT_FILE FILENAME="{SAMPLE}"'}, lambda _outcome: None
            )

    disconnect = bridge.klippy.changed.connect(print_when_ready)


@asynccontextmanager
async def _broker(config: Config) -> AsyncIterator[None]:
    """The embedded broker; it speaks MQTT 3.1.1."""
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "the demo needs the package amqtt; install it with: pip install 'klipper-bridge[demo]'"
        ) from error
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{config.mqtt.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield
    finally:
        await broker.shutdown()


def _config(data: Path, mqtt_port: int, http_port: int) -> Config:
    return convert(
        {
            "instance": "demo",
            "data": str(data),
            "klippy": {"socket": str(data / "klippy.sock")},
            "mqtt": {"host": HOST, "port": mqtt_port, "protocol": "3.1.1"},
            "http": {"host": HOST, "port": http_port},
        },
        "demo",
    )


def free_port(wanted: int) -> int:
    """`wanted` when nobody has it, else any free port of the loopback."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(f"no free port on {HOST}")
