"""What of the configuration is a secret, wherever it stands: shown as `***`, and found for the log."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import msgspec

HEADERS = "headers"  # an option whose values are all secrets
SHORTEST_SECRET = 4  # characters; masking shorter ones would garble the log
LONG = 8  # characters; a shorter text that only came by `!secret` is no secret within another one
HIDDEN = "***"
NONE: Final[frozenset[str]] = frozenset()

# What names a secret: these in any place of a name, and those that mean else within a longer word alone.
_ANYWHERE = "passw|passphrase|pwd|token|secret|api_?key|authkey|accesskey|credential|signature|authorization"
_ALONE = "pass|passkey|passcode|userpass|loginpas|pw|pin|key|privatekey|sessionkey|auth|sig|bearer|jwt"
_BEGIN, _END = (
    f"(?:{edge}|(?<=[a-z])(?=[A-Z]))" for edge in ("(?<![A-Za-z])", "(?![A-Za-z])")
)  # xKey as x_key
_SECRET_NAME = re.compile(f"(?i:{_ANYWHERE})|{_BEGIN}(?i:{_ALONE}){_END}")
_NO_SECRETS = frozenset({"pin"})  # options: of a GPIO chip

# Others choose these texts: no try begins within what another one has looked at, so the time is linear.
_NAME = r"([\w.\-\[\]]+)"
_KEY = re.compile(_NAME)
LOGIN_IN_URL = re.compile(r"(?<=://)(?:[^/?#\s\"<>]+|[^/@\s]+)(?=@)")
_QUERY = re.compile(rf"(?:(?<=[?&;])|^){_NAME}="), re.compile(r"[^&;#\s\"'<>]+")
_JSON = re.compile(rf"\"{_NAME}\"\s*:\s*\""), re.compile(r"(?:[^\"\\]|\\.)+", re.DOTALL)


def names_secret(name: str) -> bool:
    """Whether what is called so is a secret: in a query, a body, or another's data."""
    return _SECRET_NAME.search(name) is not None


def is_secret_option(name: str) -> bool:
    """Whether an option of ours is one by its name."""
    return name not in _NO_SECRETS and names_secret(name)


def secret_fields(value: Any) -> frozenset[str]:
    """Fields of a section that are secrets although their names do not say so."""
    found: frozenset[str] = getattr(type(value), "SECRETS", NONE)
    return found


def hidden(text: str, option: str = "") -> str:
    """A text without logins in addresses, without what a query or a body calls a secret."""
    text = LOGIN_IN_URL.sub(HIDDEN, text)
    for kind in () if _is_gcode(option) else (_QUERY, _JSON):
        pieces, shown = [], 0
        for begin, end in _named(text, *kind):
            pieces += [text[shown:begin], HIDDEN]
            shown = end
        text = "".join([*pieces, text[shown:]])
    return text


def secrets_of(value: object, name: str = "") -> set[str]:
    """Every secret text below a part of the configuration, as it is and as others spell it."""
    if isinstance(value, str):
        found = {value} if name == HEADERS else _inside(value, name)
        return {shown for one in found for shown in _spelled(one) if len(one) >= SHORTEST_SECRET}
    if isinstance(value, dict):
        every = name == HEADERS
        below = (secrets_of(item, HEADERS if every else _kind(str(key))) for key, item in value.items())
        return set[str]().union(*below)
    if isinstance(value, list | tuple):
        return set[str]().union(*(secrets_of(item, name) for item in value))
    told = {one for one in getattr(value, "confidential", NONE) if len(one) >= LONG}
    return secrets_of(list(told), HEADERS).union(
        *(secrets_of(item, name) for _, name, item in _options(value))
    )


class Discretion:
    """What a configuration keeps secret, and what calls itself so: taken out of all that is told."""

    def __init__(self, config: object) -> None:
        self._confidential: frozenset[str] = getattr(config, "confidential", NONE)
        self._known = sorted(secrets_of(config), key=len, reverse=True)  # one may be a part of another
        self._long = [one for one in self._known if len(one) >= LONG]

    def __call__(self, text: str) -> str:
        """What somebody says, without them."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return hidden(text)

    def came_by_secret(self, text: str | None) -> bool:
        """Whether an option's whole text came by `!secret`."""
        return text in self._confidential

    def plain(self, value: Any, name: str = "") -> Any:
        """The configuration, or anything that is told on, as plain data, every secret as `***`."""
        if isinstance(value, msgspec.Struct):
            return {field: self.plain(item, name) for field, name, item in _options(value)}
        if isinstance(value, dict):  # which of the headers are secrets is the user's own affair
            every = name == HEADERS
            return {
                key: self.plain(item, HEADERS if every else _kind(str(key))) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.plain(item, name) for item in value]
        if name == HEADERS and value is not None and not isinstance(value, bool):
            return HIDDEN
        return self._option(value, name) if isinstance(value, str) else value

    def _option(self, text: str, name: str) -> str:
        if self.came_by_secret(text):
            return HIDDEN
        for secret in self._long:
            text = text.replace(secret, HIDDEN)
        return hidden(text, name)


def _options(section: object) -> Iterator[tuple[str, str, Any]]:
    """The options of a section: each with its name, that of headers where it is a secret, and its value."""
    own = secret_fields(section)
    for field in getattr(section, "__struct_fields__", ()):
        yield field, HEADERS if field in own or is_secret_option(field) else field, getattr(section, field)


def _kind(key: str) -> str:
    """The name below which all is secret, for one that says so; an object of Klipper's has a blank."""
    return HEADERS if _KEY.fullmatch(key) and names_secret(key) else key


def _is_gcode(option: str) -> bool:
    """Its parameters look like a query; PIN=caselight is no secret."""
    return option.endswith("gcode")


def _named(text: str, head: re.Pattern[str], value: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """From where to where a text holds what it calls a secret."""
    end = 0
    for found in head.finditer(text):
        if found.start() >= end and names_secret(found[1]) and (what := value.match(text, found.end())):
            end = what.end()
            yield what.span()


def _inside(text: str, option: str) -> set[str]:
    """Secrets within an address or a body; of a login the password alone, too."""
    logins = LOGIN_IN_URL.findall(text)
    passwords = (login.partition(":")[2] for login in logins)
    kinds = () if _is_gcode(option) else (_QUERY, _JSON)
    named = (text[begin:end] for kind in kinds for begin, end in _named(text, *kind))
    return {*logins, *passwords, *named} - {""}


def _spelled(secret: str) -> set[str]:
    """As it is, in quotes, in JSON, and in an address."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    quoted = {f(one) for one in plain for f in (_in_repr, _in_json, quote, quote_plus, _in_query)}
    return plain | quoted


def _in_repr(text: str) -> str:
    return repr(text)[1:-1]


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_query(text: str) -> str:
    return quote(text, safe="")
