"""CAN: the interfaces, and who on them waits for a node id (Klipper's CANBUS protocol)."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import struct
import subprocess
import time
from typing import Any

import msgspec

from bridge.errors import BadRequest, Forbidden, NotFound
from bridge.host.kernel import Kernel

NETWORK = "/sys/class/net"
ARPHRD_CAN = 280
ASK_ID, ANSWER_ID, WHO_WAITS, I_WAIT = 0x3F0, 0x3F1, 0x00, 0x20
FRAME = struct.Struct("=IB3x8s")  # id, length, data
UUID_END, WHOLE = 7, 8
APPLICATIONS = {0x01: "Klipper", 0x11: "Katapult"}
PATIENCE = 2.0  # seconds in which all have answered
FASTEST = 10_000_000  # bits a second
MOST = 128  # answers that are taken
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")


class CanNode(msgspec.Struct, frozen=True):
    """A board without a node id."""

    uuid: str
    application: str


def interfaces(kernel: Kernel) -> dict[str, dict[str, Any]]:
    """Every CAN interface with its bit rate, as far as the kernel tells."""
    names = [name for name in kernel.names(NETWORK) if kernel.number(f"{NETWORK}/{name}/type") == ARPHRD_CAN]
    rates = _bit_rates() if names else {}
    return {
        name: {
            "tx_queue_len": kernel.number(f"{NETWORK}/{name}/tx_queue_len") or 0,
            "bitrate": rates.get(name, 0),
            "driver": _driver(kernel, name),
        }
        for name in names
    }


def _driver(kernel: Kernel, name: str) -> str:
    target = kernel.target(f"{NETWORK}/{name}/device/driver")
    return "" if target is None else target.name


def _bit_rates() -> dict[str, int]:
    """Only `ip` tells them; without it they stay unknown."""
    program = shutil.which("ip")
    if program is None:
        return {}
    with contextlib.suppress(
        OSError, subprocess.SubprocessError, ArithmeticError, LookupError, TypeError, ValueError
    ):
        command = [program, "-details", "-json", "link", "show", "type", "can"]
        answer = subprocess.run(command, capture_output=True, timeout=2, check=True)  # noqa: S603 - fixed words
        rates = {
            one["ifname"]: int(one["linkinfo"]["info_data"]["bittiming"]["bitrate"])
            for one in json.loads(answer.stdout)
        }
        return {name: rate for name, rate in rates.items() if 0 < rate <= FASTEST}
    return {}


async def waiting(kernel: Kernel, interface: str) -> list[CanNode]:
    """Every board that waits for a node id."""
    if not _NAME.fullmatch(interface):
        raise BadRequest("interface: expected the name of a CAN interface, such as can0")
    if kernel.number(f"{NETWORK}/{interface}/type") != ARPHRD_CAN:
        raise NotFound(f"There is no CAN interface '{interface}'")
    try:
        return await asyncio.to_thread(_ask, interface)
    except PermissionError as error:
        raise Forbidden(f"This user may not use the CAN interface '{interface}'") from error
    except OSError as error:
        raise BadRequest(f"'{interface}' cannot be asked: {error.strerror or error}; is it up?") from error


def _ask(interface: str) -> list[CanNode]:
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
        bus.bind((interface,))
        return answers(bus, PATIENCE)


def answers(bus: socket.socket, patience: float) -> list[CanNode]:
    """Ask who waits, and hear them out."""
    found: dict[str, CanNode] = {}
    bus.send(FRAME.pack(ASK_ID, 1, bytes([WHO_WAITS]).ljust(8, b"\0")))
    end = time.monotonic() + patience
    while len(found) < MOST and (left := end - time.monotonic()) > 0:
        bus.settimeout(left)
        with contextlib.suppress(TimeoutError):
            if (node := parsed(bus.recv(FRAME.size))) is not None:
                found[node.uuid] = node
    return list(found.values())


def parsed(frame: bytes) -> CanNode | None:
    """A frame in which a board says that it waits."""
    if len(frame) != FRAME.size:
        return None
    identifier, length, data = FRAME.unpack(frame)
    if identifier != ANSWER_ID or length < UUID_END or data[0] != I_WAIT:
        return None
    kind = data[UUID_END] if length == WHOLE else 0x01
    return CanNode(data[1:UUID_END].hex(), APPLICATIONS.get(kind, "Unknown"))
