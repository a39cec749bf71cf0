"""Addresses: of peers, of those that proxies speak for, and networks of them."""

import ipaddress
import re
from collections.abc import Collection

from bridge.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # where IPv6 has all of IPv4
_HOUSEHOLD = 64  # bits of an IPv6 address that tell one subscriber from another
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([^:]*):\d+")


def parse(text: str) -> Address | None:
    """An address; an IPv4 one that came mapped into IPv6 as what it is."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def parse_forwarded(text: str) -> Address | None:
    """An address as a proxy writes it: perhaps in quotes, perhaps with a port."""
    plain = text.strip().strip('"')
    found = _WITH_PORT.fullmatch(plain)
    return parse((found[1] or found[2] or "") if found else plain)


def network(text: str, option: str) -> Network:
    """A network of the configuration, or a ConfigError that names the option."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"{option}: expected an address or a network such as 192.168.1.0/24, got {text!r}"
        ) from error
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(MAPPED):
        inside = ipaddress.IPv4Address(int(found.network_address) & 0xFFFF_FFFF)
        return ipaddress.IPv4Network((inside, found.prefixlen - MAPPED.prefixlen))
    return found


def household(address: Address | None) -> str:
    """By what one stranger is told from another: who has one IPv6 address has 2^64 of them."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, _HOUSEHOLD), strict=False))
    return str(address)


def within(address: Address | None, networks: Collection[Network]) -> bool:
    """Whether an address belongs to one of the networks."""
    return address is not None and any(address in known for known in networks)
