"""`klipper-bridge demo`: broker, simulated printer and bridge in one process, to look at."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.app import Bridge
from bridge.cli.ports import free_port
from bridge.cli.run import lives, stopped_by_signals
from bridge.errors import ConfigError
from bridge.extras import remedy
from bridge.klippy.simulator import Simulator, write_sample
from bridge.klippy.simulator.firmware import SimulatedFirmware

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - only when it is asked for
SAMPLE = "demo cube.gcode"

CONFIG = """\
instance: demo
data: {folder}
klippy: {{{printer}}}
mqtt: {{host: {host}, port: {mqtt}, protocol: "3.1.1"}}  # what the embedded broker speaks
http: {{port: {http}}}
logging: {{level: warning, file: false}}
"""

WELCOME = """
klipper-bridge demo: a broker, {what} and the bridge.
"{sample}" prints, {speed:g} times faster than life; it heats up first, and commands wait for that.
{moved}
Watch everything    mosquitto_sub -h {host} -p {mqtt} -t '#' -v
Pause the print     mosquitto_pub -h {host} -p {mqtt} -t demo/control/pause/set -m PRESS
Ask a method        mosquitto_rr -V 311 -h {host} -p {mqtt} -t demo/moonraker/api/request/me \\
                     -e demo/moonraker/api/response/me -m '{{"jsonrpc":"2.0","id":1,"method":"printer.info"}}'
… without mosquitto {program} call -c {config} printer.print.resume
Moonraker's API     curl http://{loopback}:{http}/server/info
Home Assistant      add the MQTT integration with the broker {host}, port {mqtt}: the printer appears.{reach}

Ctrl-C ends it all and leaves nothing behind.
"""

WHAT = {False: "a simulated printer", True: "a simulated Marlin printer on a serial line"}
REACH = "\n                    (It runs on another machine? Start the demo with --listen 0.0.0.0.)"


async def run(mqtt_port: int, http_port: int, speed: float, listen: str, *, serial: bool = False) -> int:
    """Run the demo until SIGTERM or SIGINT."""
    host = LOOPBACK if listen == EVERYWHERE else listen
    with stopped_by_signals() as stop, tempfile.TemporaryDirectory(prefix="klipper-bridge-") as folder:
        data, path = Path(folder), Path(folder) / "demo.yaml"
        write_sample(data / "gcodes" / SAMPLE, macros=not serial)
        ports = {"mqtt": free_port(listen, mqtt_port), "http": free_port(LOOPBACK, http_port)}
        printer = f"serial: {data}/tty, baud: 250000" if serial else f"socket: {data}/klippy.sock"
        path.write_text(CONFIG.format(folder=data, printer=printer, host=host, **ports), encoding="utf-8")
        wanted = {"mqtt": mqtt_port, "http": http_port}
        text = WELCOME.format(
            **ports,
            what=WHAT[serial],
            host=host,
            loopback=LOOPBACK,
            config=path,
            sample=SAMPLE,
            speed=speed,
            moved="".join(
                f"Port {port} is taken; it is {ports[name]} instead.\n"
                for name, port in wanted.items()
                if ports[name] != port
            ),
            program=_program(),
            reach=REACH if listen == LOOPBACK else "",
        )
        guide = Guide(text)
        async with (
            _broker(listen, ports["mqtt"]),
            _printer(data, speed, serial=serial),
        ):
            await lives(path, stop, guide.follow)
    return 0


def _printer(data: Path, speed: float, *, serial: bool) -> Simulator | SimulatedFirmware:
    """A simulated printer: Klippy on its socket, or Marlin on a pseudo-terminal."""
    if serial:
        return SimulatedFirmware(data / "tty", speed=speed)
    return Simulator(data / "klippy.sock", data / "gcodes", speed=speed)


class Guide:
    """Starts the print and says where everything is, as soon as everything is there."""

    def __init__(self, text: str) -> None:
        self._text = text

    def follow(self, bridge: Bridge) -> None:
        """Wait for the printer and the broker; after a restart there is nothing to do."""
        if self._text:
            bridge.klippy.changed.connect(lambda _info: self._look(bridge))
            bridge.mqtt.connected.connect(lambda _first: self._look(bridge))

    def _look(self, bridge: Bridge) -> None:
        if self._text and bridge.klippy.ready and bridge.mqtt.up:
            print(self._text, flush=True)
            self._text = ""
            script = f'SDCARD_PRINT_FILE FILENAME="{SAMPLE}"'
            bridge.klippy_link.send("gcode/script", {"script": script}, lambda _outcome: None)


@asynccontextmanager
async def _broker(host: str, port: int) -> AsyncIterator[None]:
    """The embedded broker; it speaks MQTT 3.1.1."""
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(f"the demo needs a package; {remedy('demo')}") from error

    class Demo(Broker):  # type: ignore[misc]  # amqtt has no types
        async def _publish_retained_messages_for_subscription(self, subscription: Any, session: Any) -> None:
            """Amqtt greets a new client with the retained messages of everybody's subscriptions."""
            if any(session is subscriber for subscriber, _ in self._subscriptions.get(subscription[0], ())):
                await super()._publish_retained_messages_for_subscription(subscription, session)

    broker = Demo(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield
    finally:
        await broker.shutdown()


def _program() -> str:
    """How this command was called."""
    called = Path(sys.argv[0])
    return f"{sys.executable} -m bridge" if called.name == "__main__.py" else str(called)
