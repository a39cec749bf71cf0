"""The bridge announced in the local network as `_moonraker._tcp`, so that apps find it."""

import asyncio
import contextlib
import importlib
import importlib.util
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import BridgeError, DeviceFailed
from bridge.extras import remedy
from bridge.lifecycle import Backoff, Nagger, keep

log = logging.getLogger(__name__)

KIND = "_moonraker._tcp.local."
LOOK = 60.0  # seconds between two looks at this machine's addresses
LONGEST_LABEL, LONGEST_FACT = 63, 200  # bytes that DNS takes
NAMELESS = "klipper-bridge"


@dataclass(frozen=True)
class Place:
    """Where the HTTP door listens."""

    host: str
    port: int


class Nearby:
    """A part; silent without the package, without HTTP, and on loopback."""

    def __init__(
        self,
        name: str,
        unique: str,
        facts: Mapping[str, str],
        place: Callable[[], Place | None],
        *,
        addresses: Callable[[str], list[str]] | None = None,
    ) -> None:
        self._label = _cut(name.replace(".", " "), LONGEST_LABEL).strip() or NAMELESS
        self._facts = {key: _cut(value, LONGEST_FACT) for key, value in facts.items()}
        self._unique, self._place = unique, place
        self._addresses = addresses or reachable
        self._nag = Nagger(log)

    async def open(self) -> None:
        """Nothing to acquire: the door's port is known once all is open."""

    async def run(self) -> None:
        """Announce for ever, anew when this machine's addresses change."""
        place = self._place()
        if place is None:
            return
        if importlib.util.find_spec("zeroconf") is None:
            log.info("apps do not find the bridge by themselves; %s", remedy("zeroconf"))
            return
        await keep(
            lambda: self._announce(place),
            expected=(OSError, BridgeError),
            failed=lambda error: self._nag.warn(f"apps do not find the bridge by themselves: {error}"),
            backoff=Backoff(first=5.0, last=LOOK),
        )

    async def close(self) -> None:
        """The goodbye is said when `run` ends."""

    async def _announce(self, place: Place) -> None:
        """Until the addresses are others."""
        addresses = await asyncio.to_thread(self._addresses, place.host)
        if not addresses:
            raise DeviceFailed("this machine has no address in a network")
        zeroconf: Any = importlib.import_module("zeroconf")
        asynchronous: Any = importlib.import_module("zeroconf.asyncio")
        info = asynchronous.AsyncServiceInfo(
            KIND,
            f"{self._label}.{KIND}",
            port=place.port,
            properties=self._facts,
            server=f"klipper-bridge-{self._unique}.local.",
            parsed_addresses=addresses,
        )
        speaker = asynchronous.AsyncZeroconf(interfaces=addresses)
        try:
            await (await speaker.async_register_service(info, allow_name_change=True))
            self._nag.reset()
            log.info("announced in the network as %s", info.name)
            while await asyncio.to_thread(self._addresses, place.host) == addresses:  # noqa: ASYNC110 - none tells
                await asyncio.sleep(LOOK)
        except zeroconf.Error as error:
            raise DeviceFailed(f"{type(error).__name__} {error}".strip()) from error
        finally:
            await speaker.async_unregister_all_services()
            await speaker.async_close()


def reachable(host: str) -> list[str]:
    """The IPv4 addresses under which others reach what listens on `host`; blocking."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104 - nothing is bound here
        with contextlib.suppress(OSError):
            known = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
            return sorted({str(where[0]) for *_, where in known if _is_reachable(str(where[0]))})
        return []
    ifaddr: Any = importlib.import_module("ifaddr")  # zeroconf comes with it
    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str))
    return sorted(one for one in found if _is_reachable(one))


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cut(text: str, most: int) -> str:
    """Without control characters, and no longer than `most` bytes."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return plain.encode(errors="replace")[:most].decode(errors="ignore")


def _is_reachable(address: str) -> bool:
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified)
