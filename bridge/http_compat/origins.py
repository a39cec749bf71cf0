"""Which web pages may call, and under which names this machine is known to browsers."""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.errors import ConfigError

METHODS = "GET, POST, PUT, DELETE, OPTIONS"
HEADERS = (
    "Origin, Accept, Content-Type, X-Requested-With, X-CRSF-Token, Authorization, X-Access-Token, X-Api-Key"
)
MAX_AGE = "600"  # seconds a browser may remember a preflight
MAX_REMEMBERED = 100  # host names that are not looked at anew

# Names that nobody on the internet can own: a page cannot point one of them at this machine.
_LOCAL = (".local", ".localhost", ".lan", ".home", ".internal", ".home.arpa", ".localdomain", ".fritz.box")
_NAME = r"(?P<name>\[[0-9a-f:.%a-z]+\]|[a-z0-9._-]+)(?::\d{1,5})?"
_PLACE, _ORIGIN = re.compile(_NAME), re.compile(r"[a-z][a-z0-9+.-]*://" + _NAME)
_HOST = re.compile(r"[a-z0-9*]([a-z0-9.*_-]*[a-z0-9*])?|[0-9a-f:]+", re.IGNORECASE)

_PATTERN = re.compile(
    r"(?:(?P<scheme>[a-z*][a-z0-9+.-]*)://)?(?P<host>[^/:\s]+|\[[0-9a-f:]+\])(?::(?P<port>\d+|\*))?/?"
)


class Origins:
    """The configured origins and host names, compiled."""

    def __init__(self, patterns: Iterable[str], hosts: Iterable[str] = ()) -> None:
        parts = [_split(pattern) for pattern in patterns]
        self._known = [re.compile(_origin(*part)) for part in parts]
        names = (*(host for _, host, _ in parts), *map(_checked_host, hosts), *own_names())
        self._hosts = [re.compile(_glob(name)) for name in names if name]
        self._seen: set[str] = set()

    def allows(self, origin: str, host: str | None) -> bool:
        """Whether a page of `origin` may call a server that it addressed as `host`."""
        if any(pattern.fullmatch(origin.lower()) for pattern in self._known):
            return True
        page = _ORIGIN.fullmatch(origin.lower())
        return page is not None and page["name"].strip("[]") == _hostname(host)

    def knows_host(self, host: str | None) -> bool:
        """Whether `host` can be this machine; a foreign name may be bent to it (DNS rebinding)."""
        if not host or host in self._seen:
            return True
        if self._is_ours(host):
            if len(self._seen) < MAX_REMEMBERED:
                self._seen.add(host)
            return True
        return False

    def _is_ours(self, host: str) -> bool:
        name = (_hostname(host) or "").removesuffix(".")
        if not name:
            return False
        if "." not in name or name.endswith(_LOCAL) or _is_address(name):
            return True
        return any(pattern.fullmatch(name) for pattern in self._hosts)


def own_names(hosts: Path = Path("/etc/hosts")) -> set[str]:
    """This machine's name, and what `hosts` calls it in full; nobody in the network is asked."""
    name = socket.gethostname().lower()
    try:
        lines = hosts.read_text(errors="replace").lower().splitlines()
    except OSError:
        lines = []
    rows = (line.partition("#")[0].split()[1:] for line in lines)
    return {name, *(one for row in rows if name in row for one in row)}


def cors(origin: str) -> Mapping[str, str]:
    """The headers that let a page of `origin` read the answer."""
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def preflight() -> Mapping[str, str]:
    """What an allowed page is told before its request."""
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Allow-Private-Network": "true",
        "Access-Control-Max-Age": MAX_AGE,
    }


def _split(pattern: str) -> tuple[str | None, str, str | None]:
    found = _PATTERN.fullmatch(pattern.strip().lower())
    if found is None:
        raise ConfigError(
            f"http.cors_origins: expected an origin such as http://ui.example or *.local, got {pattern!r}"
        )
    return found["scheme"], found["host"], found["port"]


def _checked_host(name: str) -> str:
    if not _HOST.fullmatch(name.strip()):
        raise ConfigError(
            f"http.hosts: expected a host's name such as printer.example, without a port, got {name!r}"
        )
    return name.strip().lower()


def _origin(scheme: str | None, host: str, port: str | None) -> str:
    """A regular expression; what a pattern leaves out may be anything."""
    schemes = "[a-z][a-z0-9+.-]*" if scheme is None else _glob(scheme)
    ports = r"(?::\d+)?" if port in (None, "*") else f":{port}"
    return f"{schemes}://{_glob(host)}{ports}"


def _glob(text: str) -> str:
    return "[^/:@]*".join(re.escape(part) for part in text.split("*"))


def _hostname(host: str | None) -> str | None:
    """The name or address in a `Host` header, without port and brackets; None where it is neither."""
    found = _PLACE.fullmatch((host or "").lower())
    return found["name"].strip("[]") if found is not None else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
