"""What is true now, as retained topics: Klippy's availability and info, and the chosen printer objects."""

import asyncio
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from bridge.config import MqttState
from bridge.jobs.watch import JobWatch
from bridge.klippy.state import Klippy, KlippyInfo
from bridge.klippy.status import Status, StatusCache, StatusDelta, restrict
from bridge.mqtt.link import MqttLink
from bridge.mqtt.payloads import Combined, JobCurrent, StateValue
from bridge.mqtt.payloads import KlippyInfo as KlippyPayload
from bridge.mqtt.policy import Quiet, QuietSettings, Reading
from bridge.mqtt.topics import Topics

SETTLE = 15.0  # seconds after a print in which its last figures still go out at the printing rate

_encode = msgspec.json.Encoder().encode

Fields = dict[str, frozenset[str] | None]  # printer object -> fields, None for all of them


class MqttOutlet:
    """Publishes the state; says it all again when asked to."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        klippy: Klippy,
        cache: StatusCache,
        jobs: JobWatch,
        settings: MqttState,
    ) -> None:
        self._link, self._topics, self._klippy, self._cache, self._jobs = link, topics, klippy, cache, jobs
        self._configured: Fields = {
            name: None if fields is None else frozenset(fields)
            for name, fields in (settings.objects or {}).items()
        }
        self._combined = settings.combined
        self._fields: Fields = dict(self._configured)
        self._names: dict[tuple[str, str], str] = {}  # reading -> topic
        self._said: dict[str, bytes] = {}  # topic -> the last availability and info
        self._quiet = Quiet(
            QuietSettings(
                mode=settings.policy,
                printing_rate=settings.printing_per_second,
                idle_rate=settings.idle_per_minute,
            )
        )
        self._leaving = False  # whatever is heard from here on, nothing is promised any more
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        klippy.changed.connect(self._state)
        klippy.available_changed.connect(lambda _none: self._say_availability())
        cache.changed.connect(self._status)
        jobs.changed.connect(lambda _change: self._job())

    async def open(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """The signals do the work; at the end nothing is promised any more."""
        try:
            await asyncio.Event().wait()
        finally:
            self._leaving = True
            self._say_availability()

    async def close(self) -> None:
        """Stop the clocks."""
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()

    @property
    def waiting(self) -> int:
        """Values that wait for their turn."""
        return self._quiet.waiting

    def choose(self, reads: Mapping[str, AbstractSet[str]]) -> None:
        """Publish what the entities read, beside what the configuration names."""
        chosen: Fields = dict(self._configured)
        for name, fields in reads.items():
            have = chosen.get(name, frozenset())
            chosen[name] = None if have is None else have | fields
        for key in [key for key in self._names if not _wants(chosen, *key)]:
            self._link.retained.forsake(self._names.pop(key))
        self._fields = chosen
        self._cache.want(self, self._want())

    def answer(self, name: str, field: str) -> None:
        """A control is about to change this field: its new value is not made to wait."""
        self._quiet.answer(time.monotonic(), name, field)

    def retain_job(self, job: JobCurrent) -> None:
        """Publish the running job unless it was said before; the next figure waits a turn for it."""
        payload = _encode(job)
        if self._said.get(self._topics.job_current) != payload:
            self._quiet.charge(time.monotonic())
            self._retain(self._topics.job_current, payload)

    def publish_availability(self) -> None:
        """Say availability and info, whether or not they were said before; the job's turn comes after."""
        self._said.clear()
        self._say(self._klippy.info)

    def publish_state(self) -> None:
        """Say every value that is known, and null for what is not."""
        if not self._link.up:
            return
        status = self._cache.snapshot(self._want())
        self._post(self._quiet.snapshot(status))
        known = {(name, field) for name, fields in status.items() for field in fields}
        self._post([(*key, None) for key in self._names if key not in known])

    def _want(self) -> dict[str, list[str] | None]:
        return {name: None if fields is None else sorted(fields) for name, fields in self._fields.items()}

    def _state(self, info: KlippyInfo) -> None:
        """Availability first: nothing stale may look alive for a moment."""
        self._say(info)
        if info.state.value == "disconnected":
            self._quiet.forget()
            self._post([(*key, None) for key in self._names])
        elif self._klippy.ready:
            self.publish_state()
        self._pace()

    def _say(self, info: KlippyInfo) -> None:
        payload = KlippyPayload(state=info.state.value, message=info.message, version=info.version)
        self._say_availability()
        self._retain(self._topics.klippy_info, _encode(payload))

    def _say_availability(self) -> None:
        available = self._klippy.available and not self._leaving
        self._retain(self._topics.availability, b"online" if available else b"offline")

    def _retain(self, topic: str, payload: bytes) -> None:
        if self._said.get(topic) != payload and self._link.post(topic, payload, retain=True):
            self._said[topic] = payload

    def _status(self, delta: StatusDelta) -> None:
        mine = restrict(delta.status, self._fields)
        if not mine:
            return
        if self._link.up and self._combined:
            self._link.post(self._topics.combined, _encode(Combined(delta.eventtime, mine)), qos=0)
        self._offer(mine)

    def _job(self) -> None:
        """The job's state is on its topic before its event: who hears the event may look."""
        self._offer(restrict(self._cache.snapshot({"print_stats": ["state"]}), self._fields))
        self._pace()

    def _offer(self, status: Status) -> None:
        now = time.monotonic()
        for name, fields in status.items():
            for field, value in fields.items():
                self._quiet.offer(now, name, field, value)
        self._flush()

    def _flush(self) -> None:
        """Publish what may go out now, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._link.up:
            return
        now = time.monotonic()
        self._post(self._quiet.take(now))
        due = self._quiet.wake(now)
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._flush)

    def _post(self, readings: list[Reading]) -> None:
        eventtime, now = self._cache.eventtime, time.time()
        for name, field, value in readings:
            topic = self._names.get((name, field))
            if topic is None:
                topic = self._names[name, field] = self._topics.state(name, field)
            self._link.post(topic, _encode(StateValue(eventtime, now, value)), retain=True)

    def _pace(self) -> None:
        """The printing rate while a job runs, and a little longer for its last figures."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._jobs.active is not None:
            self._quiet.printing = True
        elif self._quiet.printing:
            self._settling = asyncio.get_running_loop().call_later(SETTLE, self._idle)

    def _idle(self) -> None:
        self._settling = None
        self._quiet.printing = False


def _wants(fields: Fields, name: str, field: str) -> bool:
    wanted = fields.get(name, frozenset())
    return wanted is None or field in wanted
