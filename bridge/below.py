"""The machine below: host, services, updates, logs; built, and put on their topics."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.config import Config
from bridge.controls.control import button
from bridge.errors import ConfigError
from bridge.folders import Folders
from bridge.handlers.controls import Controls
from bridge.handlers.logs import Logs
from bridge.handlers.machine import Machine
from bridge.handlers.peripherals import Peripherals
from bridge.handlers.services import Services
from bridge.host.kernel import Kernel
from bridge.http_compat.sockets import Sockets
from bridge.jobs.tracker import JobTracker
from bridge.klippy.state import Klippy
from bridge.lifecycle import Part
from bridge.mqtt.link import MqttLink
from bridge.mqtt.topics import Topics
from bridge.power.device import Device
from bridge.power.rack import Rack
from bridge.rpc import Access
from bridge.services.choose import provider
from bridge.services.desk import KLIPPER, ServiceDesk
from bridge.services.provider import NOBODY
from bridge.services.rights import Rights
from bridge.surroundings import Surroundings
from bridge.upkeep import Upkeep
from ha_discovery.publisher import Discovery
from ha_discovery.rows_below import service_rows

log = logging.getLogger(__name__)


def _nothing() -> None:
    """Where the bridge is no process of its own, as in tests."""


@dataclass(frozen=True)
class Process:
    """What the bridge can do to the process that it is."""

    renew: Callable[[], None] = _nothing
    roll_log: Callable[[], str] = lambda: "this process keeps no log file"


ALONE = Process()


class Around(Protocol):
    """What the bridge has that the machine below is told of, or asks for."""

    config: Config
    folders: Folders
    mqtt: MqttLink
    topics: Topics
    klippy: Klippy
    tracker: JobTracker
    controls: Controls
    home: Discovery
    sockets: Sockets
    surroundings: Surroundings


class Below:
    """A part of its own: tells Home Assistant and the list of controls what there is when it opens."""

    def __init__(self, bridge: Around, process: Process) -> None:
        config, klippy = bridge.config, bridge.klippy
        self._controls, self._home = bridge.controls, bridge.home
        self._klippy, self._logs = klippy, bridge.folders.logs
        kernel, self.rights = Kernel(), Rights(config.machine.sudo_password)
        self.desk = ServiceDesk(
            provider(config.machine, kernel, self.rights),
            kernel,
            allowed=config.machine.services,
            klipper=config.machine.klipper_service,
            klippy_process=lambda: klippy.info.process_id,
            renew=process.renew,
        )
        self._bound = Bound(self.desk, config, bridge.surroundings.rack)
        self.machine = Machine(bridge.sockets, self.desk, kernel)
        self.upkeep = Upkeep(bridge, self.desk, self.rights)
        self._services, self._buttons = Services(self.desk, self.rights, klippy), set[str]()
        self._home.expect("services")
        self.desk.found.connect(self._show_services)
        self.capabilities: list[object] = [
            self.machine,
            self._services,
            Peripherals(kernel),
            Logs(process.roll_log, self._klippys_log),
            self.upkeep.update,
        ]
        self.parts: list[Part] = [self.desk, *self.upkeep.parts, self, self.machine]

    async def open(self) -> None:
        """Say what there is."""
        if self.desk.provider.ends_machine:
            self._controls.register(
                button("host_reboot", "Host reboot", self._reboot, always=True, access=Access.ADMIN),
                button("host_shutdown", "Host shutdown", self._shutdown, always=True, access=Access.ADMIN),
            )

    async def run(self) -> None:
        """Nothing by itself."""

    async def close(self) -> None:
        """Nothing to give back."""

    def publish(self) -> None:
        """Say it all again."""
        self.upkeep.publish()

    def _show_services(self, names: list[str]) -> None:
        controls = self._services.controls(names)
        gone, self._buttons = self._buttons, {one.row.key for one in controls}
        self._controls.withdraw(*(gone - self._buttons))
        self._controls.register(*controls)
        self._home.show("services", service_rows(names), host=True)

    async def _reboot(self) -> None:
        await self.desk.power("reboot")

    async def _shutdown(self) -> None:
        await self.desk.power("shutdown")

    def _klippys_log(self) -> Path:
        """Klipper's log where installers put it, else where Klippy says it is."""
        path, told = self._logs / "klippy.log", self._klippy.hello.get("log_file")
        return Path(told) if isinstance(told, str) and not path.exists() else path


class Bound:
    """Services that are started and stopped with a power device."""

    def __init__(self, desk: ServiceDesk, config: Config, rack: Rack) -> None:
        self._desk = desk
        allowed = (KLIPPER, config.machine.klipper_service, *config.machine.services)
        for name, one in config.power.items():
            for service in one.bound_services:
                if service not in allowed:
                    raise ConfigError(
                        f"power.{name}.bound_services: '{service}' is not named in machine.services"
                    )
            if one.bound_services and desk.provider.name == NOBODY:
                log.warning(
                    "power.%s.bound_services: nobody runs services on this machine (machine.provider)", name
                )
        for device in rack.devices.values():
            device.switched.connect(self._switched)

    def _switched(self, device: Device) -> None:
        for service in device.settings.bound_services:
            self._desk.begin(
                "start" if device.state == "on" else "stop",
                service,
                f"{device.name} was switched {device.state}",
            )
