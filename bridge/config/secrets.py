"""What of the configuration is a secret, wherever it stands: shown as `***`, and found for the log."""

import json
import re
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import msgspec

SECRET_KEYS = frozenset({"password", "sudo_password", "api_key", "token", "secret", "key"})
HEADERS = "headers"  # an option whose values are all secrets
SHORTEST_SECRET = 4  # characters; masking shorter ones would garble the log
LONG = 8  # characters; a shorter text is no secret only because it is a part of another one
HIDDEN = "***"

LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s\"<>]+(?=@)")
_NAME = r"[\w.\-\[\]]*(?:pass|pwd|token|secret|key|auth|credential|signature)[\w.\-\[\]]*|pw|sig|pin"
_IN_QUERY = re.compile(rf"(?i)(?:(?<=[?&;\s])|^)({_NAME})=([^&;#\s\"'<>]+)")
_IN_JSON = re.compile(rf"(?i)(\"(?:{_NAME})\"\s*:\s*\")((?:[^\"\\]|\\.)+)(?=\")")
NONE: Final[frozenset[str]] = frozenset()


def secret_fields(value: Any) -> frozenset[str]:
    """Fields of a section that are secrets although their names do not say so."""
    found: frozenset[str] = getattr(type(value), "SECRETS", NONE)
    return found


def hidden(text: str, confidential: AbstractSet[str] = NONE) -> str:
    """A text without logins in addresses, without what a query or a body calls a secret."""
    if text in confidential:
        return HIDDEN
    for one in confidential:
        if len(one) >= LONG:
            text = text.replace(one, HIDDEN)
    text = LOGIN_IN_URL.sub(HIDDEN, text)
    text = _IN_QUERY.sub(rf"\1={HIDDEN}", text)
    return _IN_JSON.sub(rf"\1{HIDDEN}", text)


def masked(value: Any, name: str = "", confidential: AbstractSet[str] = NONE) -> Any:
    """A configuration, or a part of it, as plain data, every secret as `***`."""
    if isinstance(value, msgspec.Struct):
        told = getattr(value, "confidential", confidential)
        return {
            field: HIDDEN if field in secret_fields(value) else masked(getattr(value, field), field, told)
            for field in value.__struct_fields__
        }
    if isinstance(value, dict):
        every = name == HEADERS  # which of them are secrets is the user's own affair
        return {key: HIDDEN if every else masked(item, str(key), confidential) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, name, confidential) for item in value]
    if name in SECRET_KEYS and value is not None:
        return HIDDEN
    return hidden(value, confidential) if isinstance(value, str) else value


def secrets_of(value: object, name: str = "") -> set[str]:
    """Every secret text below a part of the configuration, as it is and as others spell it."""
    if isinstance(value, str):
        found = {value} if name in SECRET_KEYS or name == HEADERS else _inside(value)
        return {shown for one in found for shown in _spelled(one) if len(one) >= SHORTEST_SECRET}
    if isinstance(value, dict):
        below = (secrets_of(item, name if name == HEADERS else str(key)) for key, item in value.items())
        return set[str]().union(*below)
    if isinstance(value, list):
        return set[str]().union(*(secrets_of(item, name) for item in value))
    fields = getattr(value, "__struct_fields__", ())
    own = secret_fields(value)
    named = ((HEADERS if field in own else field, getattr(value, field)) for field in fields)
    told = secrets_of(list(getattr(value, "confidential", NONE)), HEADERS)
    return told.union(*(secrets_of(item, name) for name, item in named))


class Discretion:
    """Takes out of a text what a configuration keeps secret, and what calls itself so."""

    def __init__(self, config: object) -> None:
        self._known = sorted(secrets_of(config), key=len, reverse=True)  # one may be a part of another

    def __call__(self, text: str) -> str:
        """The text without them."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return hidden(text)


def _inside(text: str) -> set[str]:
    """Secrets within an address or a body; of a login the password alone, too."""
    logins = LOGIN_IN_URL.findall(text)
    passwords = (login.partition(":")[2] for login in logins)
    named = (found[1] for pattern in (_IN_QUERY, _IN_JSON) for found in pattern.findall(text))
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
