"""Every topic name of the bridge, in one place (docs/mqtt.md is its contract)."""

from dataclasses import dataclass
from functools import lru_cache

MAX_TOPIC = 65_535  # bytes; MQTT counts them in 16 bits
_ENCODED = {ord(char): f"%{ord(char):02X}" for char in "%+#/"}


def encode(name: str) -> str:
    """A name as one level of a topic: `% + # /` percent-encoded, all else as it is."""
    return name.translate(_ENCODED)


def decode(level: str) -> str:
    """The name that `encode` made this level of."""
    for char, code in (("/", "%2F"), ("#", "%23"), ("+", "%2B"), ("%", "%25")):
        level = level.replace(code, char)
    return level


@lru_cache(maxsize=4096)  # few patterns, and the same topics again and again
def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription `pattern` (with + and #) covers `topic`."""
    wanted, have = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(have) or level not in ("+", have[index]):
            return False
    return len(wanted) == len(have)


def is_concrete(topic: str) -> bool:
    """Whether one may publish to it: not empty, no wildcard, no NUL, at most 65,535 bytes."""
    return bool(topic) and not set("+#\0") & set(topic) and len(topic.encode(errors="replace")) <= MAX_TOPIC


_COMMANDS = ("+/moonraker/api/request/#", "+/control/+/set")  # of any instance on the broker


@dataclass(frozen=True)
class Topics:
    """The topics of one instance; `instance` is its first level, `discovery` Home Assistant's prefix."""

    instance: str
    discovery: str = "homeassistant"

    @property
    def request(self) -> str:
        """JSON-RPC requests that are answered on the shared topic or the message's Response Topic."""
        return f"{self.instance}/moonraker/api/request"

    @property
    def response(self) -> str:
        """Shared answers, as Moonraker's."""
        return f"{self.instance}/moonraker/api/response"

    def client_response(self, client: str) -> str:
        """Private answers of the requests on `…/api/request/{client}`; `client` is one encoded level."""
        return f"{self.response}/{client}"

    @property
    def status(self) -> str:
        """Whether the bridge is online; its last will."""
        return f"{self.instance}/moonraker/status"

    @property
    def availability(self) -> str:
        """`online` only while Klippy is ready."""
        return f"{self.instance}/klipper/availability"

    @property
    def klippy_info(self) -> str:
        """Klippy's state, message and version."""
        return f"{self.instance}/klipper/info"

    def state(self, printer_object: str, field: str) -> str:
        """One field of one printer object."""
        return f"{self.instance}/klipper/state/{encode(printer_object)}/{encode(field)}"

    @property
    def combined(self) -> str:
        """Deltas of all chosen objects in one message (Moonraker's joint status)."""
        return f"{self.instance}/klipper/status"

    @property
    def job_current(self) -> str:
        """The running job."""
        return f"{self.instance}/job/current"

    @property
    def job_last(self) -> str:
        """The record of the last job that ended."""
        return f"{self.instance}/job/last"

    @property
    def job_thumbnail(self) -> str:
        """A picture of the job: PNG bytes."""
        return f"{self.instance}/job/thumbnail"

    @property
    def job_totals(self) -> str:
        """All jobs together."""
        return f"{self.instance}/job/totals"

    @property
    def queue(self) -> str:
        """The job queue."""
        return f"{self.instance}/queue"

    def power(self, device: str) -> str:
        """One power device."""
        return f"{self.instance}/power/{encode(device)}"

    def sensor(self, name: str) -> str:
        """The figures of one sensor."""
        return f"{self.instance}/sensor/{encode(name)}"

    @property
    def spool(self) -> str:
        """The spool in use."""
        return f"{self.instance}/spool"

    def webcam_snapshot(self, name: str) -> str:
        """Pictures of one camera, not retained."""
        return f"{self.instance}/webcam/{encode(name)}/snapshot"

    def webcam_url(self, name: str) -> str:
        """Where Home Assistant finds the picture of one camera."""
        return f"{self.instance}/webcam/{encode(name)}/url"

    @property
    def announcements(self) -> str:
        """What people should know and have not seen yet."""
        return f"{self.instance}/announcements"

    @property
    def host_stats(self) -> str:
        """How the machine below fares."""
        return f"{self.instance}/host/stats"

    def update(self, component: str) -> str:
        """The versions of one component that is kept up to date."""
        return f"{self.instance}/update/{encode(component)}"

    @property
    def health(self) -> str:
        """The bridge's own health."""
        return f"{self.instance}/bridge/health"

    @property
    def controls(self) -> str:
        """The list of controls."""
        return f"{self.instance}/controls"

    def control(self, key: str) -> str:
        """Where one control takes its plain value."""
        return f"{self.instance}/control/{encode(key)}/set"

    def control_state(self, key: str) -> str:
        """What a control is set to, where no printer object's field tells it."""
        return f"{self.instance}/control/{encode(key)}/state"

    @property
    def all_controls(self) -> str:
        """The pattern of every control topic."""
        return f"{self.instance}/control/+/set"

    def event(self, name: str) -> str:
        """One kind of event."""
        return f"{self.instance}/event/{encode(name)}"

    @property
    def all_events(self) -> str:
        """The pattern of every event."""
        return f"{self.instance}/event/+"

    @property
    def own(self) -> tuple[str, ...]:
        """The patterns below which nobody else keeps anything retained."""
        branches = (
            "klipper",
            "job",
            "queue",
            "power",
            "sensor",
            "spool",
            "webcam",
            "announcements",
            "host",
            "update",
            "bridge",
            "controls",
            "control",
        )
        return (f"{self.instance}/moonraker/#", *(f"{self.instance}/{branch}/#" for branch in branches))

    def device(self, unique: str) -> str:
        """The discovery message of one Home Assistant device."""
        return f"{self.discovery}/device/{unique}/config"

    def may_reply(self, topic: str) -> bool:
        """Whether an answer may go there: no wildcard, nothing that is a command or a truth to somebody."""
        if not is_concrete(topic) or topic.startswith(("$", f"{self.discovery}/")):
            return False
        if any(matches(pattern, topic) for pattern in _COMMANDS):
            return False
        return not any(topic == own or topic.startswith(f"{own}/") for own in self._truths)

    @property
    def _truths(self) -> tuple[str, ...]:
        names = (
            "klipper",
            "bridge",
            "event",
            "job",
            "power",
            "sensor",
            "spool",
            "webcam",
            "announcements",
            "host",
            "update",
            "queue",
            "controls",
            "control",
        )
        return (self.status, *(f"{self.instance}/{name}" for name in names))

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery}/status"
