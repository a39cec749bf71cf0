"""What switches devices by itself: Klippy's shutdown, a queued job, a timer, the start of the bridge."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from bridge.errors import BridgeError, Conflict
from bridge.jobs.tracker import JobTracker
from bridge.klippy.commands import Commands
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.lifecycle import Backoff, Crew
from bridge.power.device import Device

log = logging.getLogger(__name__)

FIRST_SIGHT = 5.0  # seconds that Klippy may take to tell whether it prints, and a device what it is
RESTART_WITHIN = 30.0  # seconds after switching on in which an error of Klippy's is taken for a missing MCU
BROKEN = (KlippyState.SHUTDOWN, KlippyState.ERROR)


class Rules:
    """Each rule is an option of a device; none of them breaks a lock."""

    def __init__(
        self,
        devices: Mapping[str, Device],
        klippy: Klippy,
        commands: Commands,
        tracker: JobTracker,
        crew: Crew,
        *,
        first_sight: float = FIRST_SIGHT,
    ) -> None:
        self._devices, self._klippy, self._commands = devices, klippy, commands
        self._tracker, self._crew, self._first_sight = tracker, crew, first_sight
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due: set[str] = set()  # their time was up while they were locked
        self._state = klippy.info.state
        self._sighted, self._moved = asyncio.Event(), asyncio.Event()
        klippy.changed.connect(self._klippy_changed)
        tracker.idle.connect(lambda _none: self._sighted.set())
        tracker.started.connect(lambda _start: self._sighted.set())
        tracker.finished.connect(lambda _job: self._job_ended())
        for device in devices.values():
            device.switched.connect(self._switched)
            device.changed.connect(self._changed)

    def begin(self) -> None:
        """Bring about the initial states as soon as somebody runs."""
        for device in self._devices.values():
            if device.settings.initial_state is not None:
                self._crew.begin_with(self._begin(device, on=device.settings.initial_state == "on"))

    def close(self) -> None:
        """Stop the clocks."""
        for timer in self._timers.values():
            timer.cancel()

    def job_queued(self) -> None:
        """A job was put into the queue: its printer shall be on."""
        for device in self._devices.values():
            if device.settings.on_when_job_queued and device.state != "on":
                self._crew.start(self._switch(device, on=True, why="a job was queued"))

    async def _switch(self, device: Device, *, on: bool, why: str) -> None:
        try:
            await device.switch(on=on)
        except BridgeError as error:
            log.warning("%s was not switched %s although %s: %s", device.name, _word(on), why, error)
        else:
            log.info("%s was switched %s: %s", device.name, _word(on), why)

    def _klippy_changed(self, info: KlippyInfo) -> None:
        was, self._state = self._state, info.state
        self._moved.set()
        if info.state is not KlippyState.SHUTDOWN or was is KlippyState.SHUTDOWN:
            return
        for device in self._devices.values():
            if device.settings.off_when_shutdown:
                self._crew.start(self._off_after_shutdown(device))

    async def _off_after_shutdown(self, device: Device) -> None:
        try:
            async with asyncio.timeout(device.settings.off_when_shutdown_delay):
                while self._klippy.info.state is KlippyState.SHUTDOWN:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            await self._switch(device, on=False, why="Klippy has shut down")
        else:
            log.info("%s is not switched off: Klippy is not shut down any more", device.name)

    def _switched(self, device: Device) -> None:
        settings = device.settings
        if device.state != "on":
            return
        if settings.restart_klipper_when_powered:
            self._crew.start(self._revive_klippy(device))
        if settings.timer:
            self._stop(device)
            self._timers[device.name] = asyncio.get_running_loop().call_later(
                settings.timer, self._time_is_up, device
            )

    def _changed(self, device: Device) -> None:
        if device.state == "off":
            self._stop(device)

    def _stop(self, device: Device) -> None:
        """Its time begins anew, or does not matter any more."""
        self._due.discard(device.name)
        if (timer := self._timers.pop(device.name, None)) is not None:
            timer.cancel()

    def _time_is_up(self, device: Device) -> None:
        self._timers.pop(device.name, None)
        if device.locked:
            self._due.add(device.name)
        else:
            self._crew.start(self._switch(device, on=False, why="its time is up"))

    def _job_ended(self) -> None:
        due, self._due = self._due, set()
        for name in due:
            self._time_is_up(self._devices[name])

    async def _revive_klippy(self, device: Device) -> None:
        """Restart a Klippy that finds no MCU; one that comes late is waited for."""
        await asyncio.sleep(device.settings.restart_delay)
        try:
            async with asyncio.timeout(RESTART_WITHIN):
                while self._klippy.info.state not in BROKEN:
                    self._moved.clear()
                    await self._moved.wait()
            if device.state == "on" and self._tracker.current is None:
                log.info("%s was switched on: Klippy is restarted", device.name)
                await self._commands.firmware_restart()
        except TimeoutError:
            return  # Klippy is well, or not there at all
        except BridgeError as error:
            log.warning("Klippy was not restarted after %s was switched on: %s", device.name, error)

    async def _begin(self, device: Device, *, on: bool) -> None:
        """Its initial state, unless it has that already; never against a print that is under way."""
        await self._wait(self._sighted.wait(), "Klippy does not tell whether it prints")
        await self._wait(device.known(), f"{device.name} does not tell what it is")
        backoff = Backoff()
        while device.state != _word(on):
            try:
                await device.switch(on=on)
            except Conflict as error:
                log.info("%s keeps its state: %s", device.name, error)
                return
            except BridgeError:
                await asyncio.sleep(backoff.pause())  # its link has said why

    async def _wait(self, sight: Coroutine[Any, Any, object], trouble: str) -> None:
        try:
            async with asyncio.timeout(self._first_sight):
                await sight
        except TimeoutError:
            log.debug("%s; that is not waited for any longer", trouble)


def _word(on: bool) -> str:  # noqa: FBT001 - the value itself
    return "on" if on else "off"
