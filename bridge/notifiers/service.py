"""One address of a service, spoken to by apprise; all of it blocks."""

import importlib
import importlib.util
import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from bridge.errors import ConfigError, DeviceFailed
from bridge.extras import remedy

SHORTEST_SECRET = 6  # characters of a part of the address that may be one
LONGEST_REASON = 200
# They write whole addresses into the log, and with them tokens; the reason of a failure comes by `send`.
TALKATIVE = ("urllib3", "requests_oauthlib", "oauthlib", "MARKDOWN")


@dataclass(frozen=True)
class Picture:
    """What goes with a message."""

    content: bytes
    kind: str  # such as image/png
    name: str


@dataclass(frozen=True)
class Message:
    """What is sent."""

    title: str
    body: str
    picture: Picture | None = None


def check_installed(where: str) -> None:
    """Or ConfigError; the package itself is loaded when it is needed."""
    if importlib.util.find_spec("apprise") is None:
        raise ConfigError(f"{where}: needs a package; {remedy('notifiers')}")


class Service:
    """Sends messages to one address."""

    def __init__(self, url: str, text_format: str) -> None:
        """Raise DeviceFailed when apprise knows no such service."""
        apprise: Any = importlib.import_module("apprise")
        _hush()
        self._memory: Any = importlib.import_module("apprise.attachment.memory")
        self._apprise, self._format = apprise.Apprise(), text_format
        parts = set(re.split(r"[/@:?&=\s]+", url)) - {urlsplit(url).hostname}
        spelled = parts | {unquote(part) for part in parts}  # as apprise has them
        long = (part for part in spelled if len(part) >= SHORTEST_SECRET)
        self._secrets = sorted(long, key=len, reverse=True)  # one may be the beginning of another
        if not self._apprise.add(url):
            raise DeviceFailed("its url is none that apprise knows; see github.com/caronc/apprise")

    def send(self, message: Message) -> None:
        """Send it, or DeviceFailed with the service's reason."""
        picture, reasons = message.picture, list[str]()
        attached = None
        if picture is not None:
            attached = self._memory.AttachMemory(
                content=picture.content, name=picture.name, mimetype=picture.kind
            )
        done = self._apprise.notify(
            body=message.body,
            title=message.title,
            body_format=self._format,
            attach=attached,
            log_level=logging.WARNING,
            log_callback=lambda entry, _plugin: reasons.append(str(entry.message)),
        )
        if not done:
            raise DeviceFailed(self._shown(reasons[0]) if reasons else "its service did not take the message")

    def _shown(self, reason: str) -> str:
        """The reason in one line, without what in the address may be a secret."""
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return " ".join(reason.split())[:LONGEST_REASON]


def _hush() -> None:
    """Keep what the library says to itself, and to its callback."""
    own = logging.getLogger("apprise")
    own.propagate = False
    own.setLevel(logging.WARNING)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
