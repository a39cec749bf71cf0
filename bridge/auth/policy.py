"""What may be called over MQTT: classes and patterns of methods, for all and for single client topics."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.config import Mqtt
from bridge.errors import BridgeError, Forbidden
from bridge.rpc import Access

MAX_DECIDED = 10_000  # decisions that are remembered

Vouch = Callable[[str], str | None]  # the user behind a key or a token


@dataclass(frozen=True)
class Permit:
    """What one client topic may call; `user` is who vouched for it."""

    policy: "MqttPolicy"
    client: str | None = None
    user: str | None = None
    wrong_token: bool = False

    def refuse(self, access: Access, method: str) -> BridgeError | None:
        """None when `method` of that class may be called."""
        reason = self.policy.decide(self.client, access, method, vouched=self.user is not None)
        if reason is None:
            return None
        hint = "; the `token` in its params is not valid" if self.wrong_token else ""
        return Forbidden(f"{method} is of class '{access.value}', which {reason} over MQTT{hint}")

    def with_token(self, token: str) -> "Permit":
        """The same with the rights of whoever stands behind `token`."""
        user = self.policy.vouch(token)
        return Permit(self.policy, self.client, user, wrong_token=user is None)


class Rules:
    """Some classes and patterns."""

    def __init__(self, entries: Iterable[str]) -> None:
        names = {access.value for access in Access}
        given = list(entries)
        self.patterns = [entry for entry in given if entry not in names]
        self._classes = frozenset(Access(entry) for entry in given if entry in names)
        self._methods = [re.compile(".*".join(map(re.escape, one.split("*")))) for one in self.patterns]

    def __add__(self, other: "Rules") -> "Rules":
        """Both together."""
        classes = (access.value for access in self._classes | other._classes)
        return Rules([*classes, *self.patterns, *other.patterns])

    def cover(self, access: Access, method: str) -> bool:
        """Whether `method` is of one of the classes or fits one of the patterns."""
        return access in self._classes or any(one.fullmatch(method) for one in self._methods)


@dataclass(frozen=True)
class _Client:
    allow: Rules
    deny: Rules
    allow_option: str


class MqttPolicy:
    """mqtt.allow, mqtt.deny and mqtt.clients; what is denied is denied to all, with a token too."""

    def __init__(self, settings: Mqtt, vouch: Vouch) -> None:
        self.vouch = vouch
        self._all = _Client(Rules(settings.allow), Rules(settings.deny), "mqtt.allow")
        self._clients: Mapping[str, _Client] = {
            name: _Client(
                allow=self._all.allow if own.allow is None else Rules(own.allow),
                deny=self._all.deny + Rules(own.deny),
                allow_option="mqtt.allow" if own.allow is None else f"mqtt.clients.{name}.allow",
            )
            for name, own in settings.clients.items()
        }
        self._shared = Permit(self)
        self._permits = {name: Permit(self, name) for name in self._clients}
        self._decided: dict[tuple[str | None, Access, str, bool], str | None] = {}

    def permit(self, client: str | None = None) -> Permit:
        """What the request topic of `client`, or the shared one, may call."""
        return self._permits.get(client, self._shared) if client else self._shared

    def decide(self, client: str | None, access: Access, method: str, *, vouched: bool) -> str | None:
        """None when it may be called, else what stands against it."""
        key = (client, access, method, vouched)
        if key not in self._decided:
            if len(self._decided) >= MAX_DECIDED:
                self._decided.clear()
            self._decided[key] = self._weigh(client, access, method, vouched=vouched)
        return self._decided[key]

    def unused(self, methods: Mapping[str, Access]) -> list[str]:
        """Patterns that fit none of `methods`: mistyped, most likely."""
        rules = [part for one in (self._all, *self._clients.values()) for part in (one.allow, one.deny)]
        patterns = dict.fromkeys(pattern for part in rules for pattern in part.patterns)
        return [
            pattern
            for pattern in patterns
            if not any(Rules([pattern]).cover(access, name) for name, access in methods.items())
        ]

    def _weigh(self, client: str | None, access: Access, method: str, *, vouched: bool) -> str | None:
        rules = self._clients.get(client, self._all) if client is not None else self._all
        if self._all.deny.cover(access, method):
            return "mqtt.deny keeps out"
        if rules.deny.cover(access, method):
            return f"mqtt.clients.{client}.deny keeps out"
        if vouched or rules.allow.cover(access, method):
            return None
        return f"{rules.allow_option} does not let in"
