"""The events that people automate on: prints, shutdowns, emergency stops, filament."""

from bridge.jobs.watch import JobChange, JobEvent, JobWatch
from bridge.klippy.filament import FilamentWatch
from bridge.klippy.state import Klippy, KlippyInfo, KlippyState
from bridge.mqtt.events import MqttEvents
from bridge.mqtt.payloads import FilamentRunout, KlippyShutdown, Nothing, PrintEvent

# a print that ends with Klippy is told by Klippy's own event, klippy_shutdown or klippy_disconnected
TOLD_BY_KLIPPY = (JobEvent.KLIPPY_SHUTDOWN, JobEvent.KLIPPY_DISCONNECT)
STOPPED_BY_HAND = ("Shutdown due to webhooks request", "Shutdown due to M112 command")


class MqttNews:
    """Turns what the printer does into events."""

    def __init__(self, events: MqttEvents, klippy: Klippy, jobs: JobWatch, filament: FilamentWatch) -> None:
        self._events = events
        self._looked = False
        klippy.changed.connect(self._klippy)
        jobs.changed.connect(self._job)
        filament.ran_out.connect(lambda sensor: events.tell("filament_runout", FilamentRunout(sensor=sensor)))

    def _klippy(self, info: KlippyInfo) -> None:
        if not self._looked and info.state is KlippyState.READY:
            self._events.no_news("klippy_ready")  # it was so before the bridge came
        self._looked = True
        if info.state is KlippyState.SHUTDOWN:
            if info.message.startswith(STOPPED_BY_HAND):
                self._events.tell("emergency_stop", Nothing())
            self._events.tell("klippy_shutdown", KlippyShutdown(message=info.message or None))

    def _job(self, change: JobChange) -> None:
        if change.event in TOLD_BY_KLIPPY:
            return
        self._events.tell(
            f"print_{change.event.value}",
            PrintEvent(
                file=change.filename or None,
                print_duration=change.print_duration,
                total_duration=change.total_duration,
                filament_used=change.filament_used,
                message=change.message or None,
            ),
        )
