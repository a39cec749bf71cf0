"""Ports that nobody listens on."""

import socket

from bridge.errors import ConfigError


def is_free(host: str, port: int) -> bool:
    """Whether one could listen there; not for a name that does not resolve, which others complain of."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return True
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def free_port(host: str, wanted: int) -> int:
    """`wanted` when nobody has it, else any free port of that address."""
    if is_free(host, wanted):
        return wanted
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise ConfigError(f"no port of {host} can be listened on: {error.strerror}") from error
        return int(probe.getsockname()[1])
