"""The one decision: who may call which class of method. Every door asks here."""

import hmac
import ipaddress
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.errors import BridgeError, ConfigError, Forbidden, Unauthorized
from bridge.rpc import Access

log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_WARNED = 1000  # addresses that are told once about a wrong key
EVERYTHING = frozenset(Access)


@dataclass(frozen=True)
class Identity:
    """Who is at the far end, and which classes of methods that one may call."""

    allowed: frozenset[Access]
    user: str | None = None
    known: bool = True
    refusal: str = ""  # why there is nothing allowed, or what to do about it

    def refuse(self, access: Access, method: str) -> BridgeError | None:
        """None when `method` of that class may be called."""
        if access in self.allowed:
            return None
        if not self.known:
            return Unauthorized(self.refusal)
        return Forbidden(f"{method} is of class '{access.value}'{self.refusal}")


class Guard:
    """Trusted networks and keys for HTTP, classes for MQTT."""

    def __init__(
        self,
        *,
        trusted: Iterable[str],
        api_key: str | None,
        proxies: Iterable[str],
        mqtt_allow: Iterable[str],
    ) -> None:
        self._trusted = [network(text, "http.trusted") for text in trusted]
        self._proxies = [network(text, "http.proxies") for text in proxies]
        self._api_key = api_key
        self._warned: set[str] = set()
        self.mqtt = Identity(
            allowed=frozenset(Access(name) for name in mqtt_allow),
            refusal=", which mqtt.allow does not let in over MQTT",
        )

    def http(self, peer: str, forwarded: str | None, api_key: str | None) -> Identity:
        """Who calls from `peer`, perhaps forwarded for another by a proxy, perhaps with a key."""
        right_key = bool(
            api_key and self._api_key and hmac.compare_digest(api_key.encode(), self._api_key.encode())
        )
        if right_key:
            return Identity(EVERYTHING, user="_API_KEY_USER_")
        address, doubt = self._origin(peer, forwarded)
        if address is not None and any(address in known for known in self._trusted):
            if api_key and peer not in self._warned and len(self._warned) < MAX_WARNED:
                self._warned.add(peer)
                log.warning(
                    "%s is trusted by its address but sent a wrong X-Api-Key; the key is ignored", peer
                )
            return Identity(EVERYTHING)
        reason = doubt or (
            "the API key is wrong" if api_key else "no API key was sent and the address is not trusted"
        )
        return Identity(frozenset(), known=False, refusal=f"Unauthorized: {reason}")

    def _origin(self, peer: str, forwarded: str | None) -> tuple[Address | None, str]:
        """The address that counts; a forwarding header is believed only from a configured proxy."""
        address = parse(peer)
        if forwarded is None:
            return address, ""
        if address is None or not any(address in proxy for proxy in self._proxies):
            if address is not None and address.is_loopback:
                return None, "forwarded by a proxy that http.proxies does not name"
            return address, ""
        return parse(forwarded.split(",")[-1]), "the proxy forwards an address that is not trusted"


def parse(text: str) -> Address | None:
    """An address; an IPv4 one that came mapped into IPv6 as what it is."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def network(text: str, option: str) -> Network:
    """A network of the configuration, or a ConfigError that names the option."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"{option}: expected an address or a network such as 192.168.1.0/24, got {text!r}"
        ) from error
