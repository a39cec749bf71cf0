"""Quiet by default: which state values are worth a message, and when it may go (docs/mqtt.md)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Reading = tuple[str, str, Any]
"""Object, field and the value to publish."""

_NEVER: Final = object()  # a field that has not been sent yet; None is a value
_NAN: Final = math.nan
_DEEPEST: Final = 8  # no object of Klipper nests deeper; what does becomes null
_LARGEST: Final = 1 << 63
_EDGE: Final = 1 - 1e-6  # a step of exactly the dead-band is a change, whatever the last bit of a float says
_MARGIN: Final = 1.02  # messages jitter on their way: the receiver's minute and second keep the promise, too


@dataclass(frozen=True)
class Rule:
    """One kind of field: which ones, how they are rounded, and what change is worth a message."""

    kind: str
    fields: str
    """Names `object.field` with blanks between; an object counts by its first word, `*` is any."""
    digits: int | None = None
    """Decimals that are kept, None for all; while printing, one step of them is a change."""
    band: float = 0.0
    """Dead-band of an idle printer, where it is wider than one step."""
    share: float = 0.0
    """Dead-band as a share of the value last sent, idle or not: for what is never still."""
    ends: bool = False
    """Reaching exactly 0 or 1 (off, full, done) is told inside the dead-band, too."""
    exempt: bool = False
    """Sent at once and outside the budget."""


UNKNOWN: Final = Rule("unknown", "gcode_macro.* save_variables.*", digits=3)

RULES: Final[tuple[Rule, ...]] = (
    Rule("temperature", "*.temperature *.measured_min_temp *.measured_max_temp", digits=1, band=0.5),
    Rule("climate", "*.humidity *.pressure", digits=1, band=1.0),
    Rule("gas", "*.gas", digits=0, share=0.1),
    Rule("power", "*.power", digits=3, band=0.05, ends=True),
    Rule("fraction", "*.speed *.progress *.speed_factor *.extrude_factor", digits=3, ends=True),
    Rule("pwm", "pwm_tool.value pwm_cycle_time.value", digits=3, ends=True),
    Rule("colour", "*.color_data", digits=3),
    Rule("rpm", "*.rpm", digits=-1, band=50.0, share=0.05),
    Rule("position", "toolhead.position gcode_move.position *.gcode_position *.live_position", digits=2),
    # Microns matter where a probe speaks.
    Rule("height", "*.last_z_result *.last_probe_position *.z_position *.z_position_lower", digits=3),
    Rule("height", "*.z_position_upper bed_mesh.probed_matrix bed_mesh.mesh_matrix", digits=3),
    Rule("velocity", "gcode_move.speed *.live_velocity *.live_extruder_velocity", digits=1),
    Rule("duration", "*.print_duration *.total_duration *.printing_time", digits=0),
    Rule("filament", "*.filament_used", digits=0),
    Rule("file_position", "virtual_sdcard.file_position", digits=0),
    # Clocks run on in an idle printer; nobody waits for their second.
    Rule("clock", "toolhead.print_time toolhead.estimated_print_time *.cputime", digits=0, band=60.0),
    Rule("load", "*.sysload", digits=2, band=0.25),
    Rule("memory", "*.memavail", digits=-3, share=0.05),
    Rule("stats", "mcu.last_stats", digits=3, band=0.05, share=0.1),
    # Strings, booleans and null are discrete wherever they come; these are so when they are numbers, too.
    Rule("state", "*.state *.enabled *.filament_detected *.filename *.message *.homed_axes", exempt=True),
    Rule("state", "print_stats.info query_endstops.last_query stepper_enable.steppers", exempt=True),
    Rule("setting", "*.target output_pin.value servo.value gcode_move.homing_origin", exempt=True),
    Rule("setting", "*.pressure_advance *.smooth_time firmware_retraction.*", exempt=True),
    Rule("setting", "idle_timeout.idle_timeout virtual_sdcard.file_size exclude_object.*", exempt=True),
    UNKNOWN,
)

KINDS: Final = frozenset(rule.kind for rule in RULES)
"""The names that `QuietSettings.bands` and `.digits` may hold."""

_BY_FIELD: Final = {name: rule for rule in RULES for name in rule.fields.split()}


def rule_for(obj: str, field: str) -> Rule:
    """The row of the table that governs this field: its own, its object's, its name's, else `UNKNOWN`."""
    kind = obj.partition(" ")[0]
    for name in (f"{kind}.{field}", f"{kind}.*", f"*.{field}"):
        if name in _BY_FIELD:
            return _BY_FIELD[name]
    return UNKNOWN


@dataclass(frozen=True)
class QuietSettings:
    """The configurable part of the policy; `full` sends every change at once and as it is."""

    mode: Literal["quiet", "full"] = "quiet"
    printing_rate: float = 2.0
    """Messages a second while printing; 0 for exempt ones only."""
    idle_rate: float = 6.0
    """Messages a minute while idle; 0 for exempt ones only."""
    answer_window: float = 5.0
    """Seconds that a control waits for the value that answers it."""
    bands: Mapping[str, float] = field(default_factory=dict)
    """Idle dead-band by kind, in place of the table's."""
    digits: Mapping[str, int] = field(default_factory=dict)
    """Decimals by kind, in place of the table's."""


class _Slot:
    """What is known of one field."""

    __slots__ = (
        "alert",
        "answer_until",
        "band",
        "digits",
        "high",
        "idle_band",
        "key",
        "low",
        "rule",
        "sent",
        "step",
    )

    def __init__(self, key: tuple[str, str], settings: QuietSettings) -> None:
        self.key = key
        self.rule = rule = rule_for(*key)
        self.digits = None if settings.mode == "full" else settings.digits.get(rule.kind, rule.digits)
        self.step = 0.0 if self.digits is None else 10.0**-self.digits
        self.idle_band = max(self.step, settings.bands.get(rule.kind, rule.band))
        if settings.mode == "full" or rule.exempt:
            self.idle_band = self.step = 0.0
        self.band = self.step
        self.sent: Any = _NEVER
        self.answer_until = -math.inf
        self.alert = False  # something waits, or an answer is due: every value is weighed
        self.low = self.high = _NAN

    def fence(self, *, printing: bool) -> None:
        """Set the open interval round the value last sent in which a number is no news."""
        self.band = self.step if printing else self.idle_band
        if not _is_number(self.sent) or self.band == 0.0:
            self.low = self.high = _NAN
            return
        width = _width(self.sent, self.band, self.rule.share)
        self.low, self.high = self.sent - width, self.sent + width
        if self.rule.ends and self.sent > 0:
            self.low = max(self.low, 0.0)
        if self.rule.ends and self.sent < 1:
            self.high = min(self.high, 1.0)

    def is_no_news(self, value: Any, tidied: Any, *, answers: bool) -> bool:
        """Whether the value is what was last sent, or too near to it to tell."""
        if tidied == self.sent and isinstance(tidied, bool) == isinstance(self.sent, bool):
            return True
        if answers or self.band == 0.0:
            return False
        if _is_number(value):
            return bool(self.low < value < self.high)
        return _near(tidied, self.sent, self.band, self.rule.share)

    def is_discrete(self, tidied: Any) -> bool:
        """Whether this change is one of state and not of a figure; to and from null counts."""
        if self.rule.exempt or not _holds_number(tidied):
            return True
        return self.sent is not _NEVER and not _holds_number(self.sent)


class Quiet:
    """What waits to be published, one value a field; pure: the caller brings the monotonic time."""

    def __init__(self, settings: QuietSettings | None = None) -> None:
        self._settings = settings or QuietSettings()
        self._full = self._settings.mode == "full"
        self._printing = False
        self._slots: dict[tuple[str, str], _Slot] = {}
        # A dict keeps the order in which keys came, also when a value is replaced: the first waits longest.
        self._urgent: dict[tuple[str, str], Any] = {}
        self._waiting: dict[tuple[str, str], Any] = {}
        self._spent = -math.inf  # when the budget's one token was last taken
        self._charged = False
        self.suppressed = 0
        """Values that were equal to the one last sent or inside its dead-band."""
        self.merged = 0
        """Values that waited and were replaced by a newer one."""

    @property
    def printing(self) -> bool:
        """Whether a print runs: narrower dead-bands and the larger budget, from now on."""
        return self._printing

    @printing.setter
    def printing(self, value: bool) -> None:
        if value != self._printing:
            self._printing = value
            for slot in self._slots.values():
                slot.fence(printing=value)

    @property
    def waiting(self) -> int:
        """How many fields have a value that is not published yet."""
        return len(self._urgent) + len(self._waiting)

    def offer(self, now: float, obj: str, field: str, value: Any) -> None:
        """Take notice of a field's newest value; it waits for `take` if it is worth a message."""
        slot = self._slots.get((obj, field)) or self._slot((obj, field))
        kind = type(value)
        if not slot.alert and (kind is float or kind is int) and slot.low < value < slot.high:
            self.suppressed += 1
        else:
            self._weigh(now, slot, value)

    def take(self, now: float) -> list[Reading]:
        """What is to be published now, marked as sent: all that is exempt, then what the budget allows."""
        taken = [self._sent(key, self._urgent) for key in tuple(self._urgent)]
        if taken:
            self.charge(now)
        while self._waiting and now >= self._open_at():
            taken.append(self._sent(next(iter(self._waiting)), self._waiting))
            self._spent, self._charged = now, False
        return taken

    def wake(self, now: float) -> float | None:
        """When `take` has something to give again; None while nothing waits."""
        if self._urgent:
            return now
        open_at = self._open_at()
        return max(now, open_at) if self._waiting and open_at < math.inf else None

    def answer(self, now: float, obj: str, field: str) -> None:
        """A control was just sent: the field's next new value is its answer and goes at once."""
        slot = self._slot((obj, field))
        slot.answer_until = now + self._settings.answer_window
        slot.alert = True

    def snapshot(self, values: Mapping[str, Any]) -> list[Reading]:
        """Everything of a status, rounded and marked as sent: the caller publishes all of it."""
        taken: list[Reading] = []
        for obj, fields in values.items():
            for name, value in fields.items() if isinstance(fields, Mapping) else ():
                key = (obj, name)
                self._waiting.pop(key, None)
                self._urgent[key] = _tidy(value, self._slot(key).digits)
                taken.append(self._sent(key, self._urgent))
        return taken

    def forget(self) -> None:
        """Drop what was sent and what waits; the budget and the counters go on."""
        self._slots.clear()
        self._urgent.clear()
        self._waiting.clear()

    def _slot(self, key: tuple[str, str]) -> _Slot:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot(key, self._settings)
        return slot

    def _weigh(self, now: float, slot: _Slot, value: Any) -> None:
        tidied = _tidy(value, slot.digits)
        answers = now <= slot.answer_until
        key = slot.key
        if slot.is_no_news(value, tidied, answers=answers):
            self.suppressed += 1
            self._urgent.pop(key, None)
            self._waiting.pop(key, None)
            slot.alert = answers
            return
        slot.alert, slot.answer_until = True, -math.inf
        self.merged += key in self._urgent or key in self._waiting
        if self._full or answers or key in self._urgent or slot.is_discrete(tidied):
            self._waiting.pop(key, None)
            self._urgent[key] = tidied
        else:
            self._waiting[key] = tidied

    def _sent(self, key: tuple[str, str], queue: dict[tuple[str, str], Any]) -> Reading:
        slot = self._slots[key]
        slot.sent = queue.pop(key)
        slot.alert = slot.answer_until > -math.inf  # a control was sent while this waited
        slot.fence(printing=self._printing)
        return (*key, slot.sent)

    def charge(self, now: float) -> None:
        """Count in a message that waited for nothing.

        In a print it takes the place of the next figure, so that the sum stays within the budget; once
        between two figures, so that these never starve. Idle, a change of state is what somebody just did
        and the figures that follow are what is looked at: they are not held up.
        """
        if self._printing and not self._charged:
            self._spent, self._charged = now, True

    def _open_at(self) -> float:
        rate = self._settings.printing_rate if self._printing else self._settings.idle_rate / 60
        return self._spent + _MARGIN / rate if rate > 0 else math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, int)) and not isinstance(value, bool)


def _width(sent: float, band: float, share: float) -> float:
    return max(band * _EDGE, abs(sent) * share)


def _tidy(value: Any, digits: int | None, depth: int = 0) -> Any:
    """The value as it is published: rounded at every level; what is not finite is null."""
    if isinstance(value, float):
        return _rounded(value, digits) if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return _rounded(value, digits) if -_LARGEST <= value < _LARGEST else None
    if isinstance(value, (list, tuple, dict)):
        return _tidy_items(value, digits, depth + 1) if depth < _DEEPEST else None
    return value


def _tidy_items(value: Any, digits: int | None, depth: int) -> Any:
    if isinstance(value, dict):
        return {name: _tidy(item, digits, depth) for name, item in value.items()}
    return [_tidy(item, digits, depth) for item in value]


def _rounded(value: float, digits: int | None) -> float:
    return (value if digits is None else round(value, digits)) + 0  # and -0.0 becomes 0.0


def _near(value: Any, sent: Any, band: float, share: float) -> bool:
    """Whether two tidied values are, number by number, within the dead-band."""
    if _is_number(value) and _is_number(sent):
        return bool(abs(value - sent) < _width(sent, band, share))
    if isinstance(value, list) and isinstance(sent, list):
        pairs = zip(value, sent, strict=False)
        return len(value) == len(sent) and all(_near(ours, theirs, band, share) for ours, theirs in pairs)
    if isinstance(value, dict) and isinstance(sent, dict):
        return value.keys() == sent.keys() and all(
            _near(value[name], sent[name], band, share) for name in value
        )
    return type(value) is type(sent) and bool(value == sent)


def _holds_number(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_number, value))
    if isinstance(value, dict):
        return any(map(_holds_number, value.values()))
    return _is_number(value)
