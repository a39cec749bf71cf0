"""Relay boards on a serial port: a few bytes for on, off and the question."""

import asyncio
from dataclasses import dataclass

from bridge.config.power import SerialSwitch
from bridge.errors import ConfigError, DeviceFailed
from bridge.extras import extra
from bridge.power.device import See

BLANKS = b" \t\r\n\0"


@dataclass(frozen=True)
class Bytes:
    """What a board is told and what it answers; no query: its state is what it was told."""

    on: bytes
    off: bytes
    query: bytes | None
    says_on: bytes | None
    says_off: bytes | None


def lcus(relay: int) -> Bytes:
    """The boards sold as LCUS-n: a start byte, the relay, its state, and their sum."""

    def command(state: int) -> bytes:
        return bytes((0xA0, relay, state, (0xA0 + relay + state) & 0xFF))

    return Bytes(command(1), command(0), None, b"CH%d:ON" % relay, b"CH%d:OFF" % relay)


class SerialRelay:
    """Holds the port while it is watched."""

    def __init__(self, settings: SerialSwitch, where: str) -> None:
        self._serial = extra("serial_asyncio", "serial", where)
        self._settings = settings
        self._bytes = _chosen(settings, where)
        self.tells = self._bytes.query is not None
        self._port: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._see: See = lambda _on: None
        self._told: bool | None = None

    async def watch(self, see: See) -> None:
        """Open the port; ask where that is possible, else just notice when it goes."""
        self._see = see
        settings = self._settings
        reader, writer = await self._serial.open_serial_connection(url=settings.port, baudrate=settings.baud)
        self._port = reader, writer
        try:
            if self._bytes.query is None:
                await self._stay(reader)
            while True:
                see(await self._ask())
                await asyncio.sleep(settings.poll)
        finally:
            self._port = None
            writer.close()

    async def switch(self, *, on: bool) -> None:
        """Send the bytes, and ask what it has become."""
        async with self._turn:
            _, writer = self._open()
            writer.write(self._bytes.on if on else self._bytes.off)
            await writer.drain()
        self._told = on
        became = on if self._bytes.query is None else await self._ask()
        self._see(became)
        if became is not on:
            raise DeviceFailed(f"it is still {'on' if became else 'off'}")

    async def _stay(self, reader: asyncio.StreamReader) -> None:
        """Until the port is gone; what the board says unasked is not looked at."""
        self._see(self._told)
        while await reader.read(256):
            pass
        raise DeviceFailed(f"{self._settings.port} was unplugged")

    async def _ask(self) -> bool:
        async with self._turn:
            reader, writer = self._open()
            writer.write(self._bytes.query or b"")
            await writer.drain()
            heard = b""
            try:
                async with asyncio.timeout(self._settings.timeout):
                    while (found := self._understood(heard)) is None:
                        more = await reader.read(256)
                        if not more:
                            raise DeviceFailed(f"{self._settings.port} was unplugged")
                        heard = (heard + more.translate(None, self._ignored))[-1024:]
            except TimeoutError as error:
                raise DeviceFailed(f"no answer on {self._settings.port} that is known") from error
            return found

    @property
    def _ignored(self) -> bytes:
        return BLANKS if self._settings.preset == "lcus" else b""

    def _understood(self, heard: bytes) -> bool | None:
        """What the answer says; the end of it counts."""
        on = heard.rfind(self._bytes.says_on or b"")
        off = heard.rfind(self._bytes.says_off or b"")
        return None if on == off else on > off

    def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._port is None:
            raise DeviceFailed(f"{self._settings.port} is not open")
        return self._port


def _chosen(settings: SerialSwitch, where: str) -> Bytes:
    """The preset's bytes, each replaced by what the configuration says."""
    preset = lcus(settings.output) if settings.preset == "lcus" else Bytes(b"", b"", None, None, None)

    def pick(option: str, default: bytes | None) -> bytes | None:
        text: str | None = getattr(settings, option)
        if text is None:
            return default
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise ConfigError(f"{where}.{option}: expected bytes in hex, such as A0 01 01 A2") from error

    made = Bytes(
        on=pick("on_bytes", preset.on) or b"",
        off=pick("off_bytes", preset.off) or b"",
        query=pick("query_bytes", preset.query),
        says_on=pick("on_answer", preset.says_on),
        says_off=pick("off_answer", preset.says_off),
    )
    _complete(made, where)
    return made


def _complete(made: Bytes, where: str) -> None:
    if not made.on or not made.off:
        raise ConfigError(f"{where}.{'off' if made.on else 'on'}_bytes: missing; what shall be sent?")
    if made.query and not (made.says_on and made.says_off):
        answer = "off" if made.says_on else "on"
        raise ConfigError(f"{where}.{answer}_answer: missing; how does the answer to query_bytes say it?")
