"""A plug or hub that is spoken to by HTTP: one engine for all makes."""

import base64
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from bridge.config.power import HttpSwitch
from bridge.errors import ConfigError, DeviceFailed, TimedOut
from bridge.outgoing import Outgoing, body_of, is_web_address, reason_of
from bridge.power.device import Polled
from bridge.power.http_presets import HTTP_PRESETS, Ask, HttpPreset
from bridge.power.readings import Reading

MOST = 65_536  # bytes of an answer


@dataclass(frozen=True)
class _Request:
    verb: str
    url: str
    body: str | None


class HttpPlug(Polled):
    """Asked for its state at an interval, and after each command."""

    def __init__(
        self, outgoing: Outgoing, settings: HttpSwitch, where: str, hide: Callable[[str], str]
    ) -> None:
        super().__init__(settings.poll)
        self._outgoing, self._settings = outgoing, settings
        preset = HTTP_PRESETS.get(settings.preset) or _generic(settings, where)
        _check(preset, settings, where)
        base = _base(preset, settings, where)
        self._status, self._on, self._off = (
            _filled(ask, base, preset, settings) for ask in (preset.status, preset.on, preset.off)
        )
        self._login = preset.login
        self._reading = Reading(
            settings.state_template or preset.state,
            f"{where}.state_template",
            settings.state_on,
            settings.state_off,
            hide,
        )

    async def read(self) -> bool:
        """Ask what it is."""
        became = self._reading.of(await self._ask(self._status))
        if became is None:
            raise DeviceFailed("its answer does not tell whether it is on or off")
        return became

    async def command(self, *, on: bool) -> None:
        """Tell it what to become."""
        await self._ask(self._on if on else self._off)

    async def _ask(self, request: _Request) -> bytes:
        settings = self._settings
        try:
            async with self._outgoing.session.request(
                request.verb,
                request.url,
                data=request.body,
                timeout=aiohttp.ClientTimeout(total=settings.timeout),
                **self._identity(request),
            ) as answer:
                body = await body_of(answer, MOST)
        except TimeoutError as error:
            raise TimedOut(f"no answer from {_host(request.url)} within {settings.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceFailed(f"{_host(request.url)} cannot be reached: {reason_of(error)}") from error
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's own bound
            raise DeviceFailed(f"{_host(request.url)} answers {answer.status} {answer.reason}")
        return body

    def _identity(self, request: _Request) -> dict[str, Any]:
        """Headers and login of a request."""
        settings = self._settings
        headers = dict(settings.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        options: dict[str, Any] = {"headers": headers}
        user, password = settings.username or "", settings.password or ""
        if self._login == "bearer":
            headers["Authorization"] = f"Bearer {settings.token}"
        elif self._login == "basic" and settings.password:
            login = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        elif self._login == "digest" and settings.password:
            options["middlewares"] = (aiohttp.DigestAuthMiddleware(user or "admin", password),)
        return options


def _generic(settings: HttpSwitch, where: str) -> HttpPreset:
    """The user's own addresses."""
    for option in ("on_url", "off_url", "status_url"):
        url = getattr(settings, option)
        if url is None:
            raise ConfigError(f"{where}.{option}: missing; or name a preset")
        if not is_web_address(url):
            raise ConfigError(f"{where}.{option}: expected an address that begins with http:// or https://")
    return HttpPreset(
        status=Ask(str(settings.status_url), verb="GET"),
        on=Ask(str(settings.on_url), settings.on_body, settings.method),
        off=Ask(str(settings.off_url), settings.off_body, settings.method),
        state="{{ value }}",
        login="basic",
        address="",
    )


def _check(preset: HttpPreset, settings: HttpSwitch, where: str) -> None:
    for option in preset.needs:
        if not getattr(settings, option):
            raise ConfigError(f"{where}.{option}: missing; {settings.preset} needs it")


def _base(preset: HttpPreset, settings: HttpSwitch, where: str) -> str:
    """Scheme, host and port before every path."""
    address = settings.address or preset.address
    if address is None:
        raise ConfigError(f"{where}.address: missing; name the host of the plug or hub")
    if not address or settings.preset == "generic":
        return ""
    if "://" not in address:
        address = f"http://{_bracketed(address)}"
    try:
        parts = urlsplit(address)
        bare = parts.port is None
    except ValueError as error:
        raise ConfigError(f"{where}.address: {error}") from error
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.path.strip("/"):
        raise ConfigError(f"{where}.address: expected host, host:port or http://host:port alone")
    port = f":{preset.port}" if bare and preset.port else ""
    return f"{parts.scheme}://{parts.netloc}{port}"


def _bracketed(address: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(address)}]"
    except ValueError:
        return address


def _filled(ask: Ask, base: str, preset: HttpPreset, settings: HttpSwitch) -> _Request:
    path = ask.path + (preset.credentials if settings.password else "")
    names = {
        "device": settings.device or "",
        "output": preset.output if settings.output is None else settings.output,
        "token": settings.token or "",
        "username": settings.username or "admin",
        "password": settings.password or "",
    }
    body = ask.body
    for name, text in names.items():
        path = path.replace(f"{{{name}}}", quote(text, safe=""))
        if body is not None and settings.preset != "generic":
            body = body.replace(f'"{{{name}}}"', _quoted(text))
    return _Request(ask.verb or ("GET" if ask.body is None else "POST"), base + path, body)


def _quoted(text: str) -> str:
    """A text inside JSON."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _host(url: str) -> str:
    """Where it goes, without the secrets that an address may hold."""
    return urlsplit(url).hostname or "its address"
