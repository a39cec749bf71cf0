"""Spoolman's HTTP API, version 1."""

from typing import Any

import aiohttp
import msgspec

from bridge.config.spoolman import Spoolman as Settings
from bridge.decoding import UNREADABLE
from bridge.errors import (
    BadRequest,
    BridgeError,
    ConfigError,
    Conflict,
    DeviceFailed,
    NotFound,
    Unprocessable,
)
from bridge.outgoing import Outgoing, body_of, is_web_address, reason_of

MOST = 16 * 1024 * 1024  # bytes of an answer: thousands of spools
REFUSALS: dict[int, type[BridgeError]] = {404: NotFound, 409: Conflict, 422: Unprocessable}


class SpoolmanAway(DeviceFailed):
    """Spoolman cannot be reached; what was to be told is kept."""


class Refusal(msgspec.Struct, frozen=True):
    """What Spoolman did not want."""

    status_code: int
    message: str

    def error(self) -> BridgeError:
        """The same as an error."""
        if self.status_code >= 500:  # noqa: PLR2004 - HTTP's own bound
            return DeviceFailed(self.message)
        return REFUSALS.get(self.status_code, BadRequest)(self.message)


class SpoolmanClient:
    """Asks and tells; an answer is what Spoolman says, or its refusal."""

    def __init__(self, outgoing: Outgoing, settings: Settings) -> None:
        self._outgoing, self._settings = outgoing, settings
        self._base = _base(settings.server) if settings.server is not None else None

    @property
    def configured(self) -> bool:
        """Whether there is a Spoolman."""
        return self._base is not None

    async def request(
        self, verb: str, path: str, *, query: str | None = None, body: Any = None
    ) -> "Refusal | Any":
        """Ask for a path such as /v1/spool; SpoolmanAway when nobody answers."""
        if self._base is None:
            raise NotFound("Spoolman is not configured; name it as spoolman.server")
        url = f"{self._base}/api{path}" + (f"?{query}" if query else "")
        try:
            async with self._outgoing.session.request(
                verb,
                url,
                json=body,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            ) as answer:
                content = await body_of(answer, MOST)
        except TimeoutError as error:
            raise SpoolmanAway(f"Spoolman did not answer within {self._settings.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SpoolmanAway(f"Spoolman cannot be reached: {reason_of(error)}") from error
        return _understood(answer.status, answer.reason or "", content)


def _understood(status: int, reason: str, content: bytes) -> "Refusal | Any":
    try:
        found = msgspec.json.decode(content) if content else None
    except UNREADABLE as error:
        raise SpoolmanAway(f"What answers {status} there is not Spoolman") from error
    if status < 400:  # noqa: PLR2004 - HTTP's own bound
        return found
    said = found.get("message", found.get("detail")) if isinstance(found, dict) else None
    return Refusal(status, said if isinstance(said, str) else f"Spoolman answers {status} {reason}")


def _base(server: str) -> str:
    if not is_web_address(server):
        raise ConfigError("spoolman.server: expected an address such as http://spoolman.local:7912")
    return server.rstrip("/").removesuffix("/api")
