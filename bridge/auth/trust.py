"""Which addresses need no key: networks, and host names that are looked up now and then."""

import asyncio
import logging
import re
import socket
from collections.abc import Iterable

from bridge.auth.addresses import Address, Network, network, parse, within
from bridge.errors import ConfigError
from bridge.lifecycle import Nagger
from bridge.signals import Signal

log = logging.getLogger(__name__)

FRESH, AGAIN = 300.0, 30.0  # seconds until names are looked up anew, and after a failure
PATIENCE = 5.0  # seconds for one look-up

_NAME = re.compile(r"(?=.*[a-z])(?!.*\.\.)[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", re.IGNORECASE)


class Trust:
    """The entries of http.trusted."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.changed: Signal[None] = Signal("addresses of trusted hosts")
        self._networks: list[Network] = []
        self._names: list[str] = []
        self._found: dict[str, frozenset[Address]] = {}
        self._nag = Nagger(log)
        for entry in entries:
            self._add(entry.strip())

    def _add(self, entry: str) -> None:
        if _NAME.fullmatch(entry) and parse(entry) is None:
            self._names.append(entry)
            return
        try:
            self._networks.append(network(entry, "http.trusted"))
        except ConfigError as error:
            raise ConfigError(
                "http.trusted: expected an address or a network such as 192.168.1.0/24, or a host's name, "
                f"got {entry!r}"
            ) from error

    def __contains__(self, address: Address | None) -> bool:
        """Whether `address` is one of them."""
        return within(address, self._networks) or any(address in found for found in self._found.values())

    async def run(self) -> None:
        """Keep the addresses of names fresh, for ever."""
        if not self._names:
            await asyncio.get_running_loop().create_future()
        while True:
            missing = await self._look_up()
            await asyncio.sleep(AGAIN if missing else FRESH)

    async def _look_up(self) -> bool:
        """Whether a name could not be found; what was known of it before still counts."""
        before = dict(self._found)
        reasons = []
        for name in self._names:
            try:
                self._found[name] = await _addresses(name)
            except (OSError, TimeoutError) as error:
                reasons.append(f"'{name}' ({getattr(error, 'strerror', None) or 'no answer'})")
        if reasons:
            self._nag.warn(f"http.trusted: no address is known for {', '.join(reasons)}; trying again")
        else:
            self._nag.reset()
        if self._found != before:
            self.changed.emit(None)
        return bool(reasons)


async def _addresses(name: str) -> frozenset[Address]:
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    parsed = (parse(str(entry[4][0])) for entry in found)
    return frozenset(address for address in parsed if address is not None)
