"""Commands as processes of their own, and brokers that let nobody in."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import yaml

from tests.wire import HOST, PATIENCE, until


class Program:
    """`klipper-bridge …` as a process; what it writes is collected line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            asyncio.ensure_future(self._read(process.stdout, self.out)),
            asyncio.ensure_future(self._read(process.stderr, self.err)),
        ]

    async def end(self, how: signal.Signals = signal.SIGTERM, *, within: float = 3.0) -> int:
        """Ask it to end, and give back its code; it may not take longer."""
        self.process.send_signal(how)
        return await self.code(within=within)

    async def code(self, *, within: float = PATIENCE) -> int:
        """Its exit code, once it has ended by itself."""
        async with asyncio.timeout(within):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def says(self, words: str) -> str:
        """The first line with these words, now or soon."""
        found: str = await until(
            lambda: next((line for line in (*self.out, *self.err) if words in line), None)
        )
        return found

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await asyncio.gather(*self._readers)

    async def _read(self, stream: Any, lines: list[str]) -> None:
        while line := await stream.readline():
            lines.append(line.decode().rstrip("\n"))


@contextlib.asynccontextmanager
async def program(*arguments: object, **environment: str) -> AsyncIterator[Program]:
    """`klipper-bridge` with these arguments; killed at the end if it is still there."""
    one = Program(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bridge",
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
    )
    try:
        yield one
    finally:
        await one.kill()


def configuration(folder: Path, **sections: Any) -> Path:
    """A configuration file in `folder`, with its data there, too."""
    path = folder / "bridge.yaml"
    path.write_text(yaml.safe_dump({"data": str(folder / "data"), "http": {"port": 0}, **sections}))
    return path


class Listener:
    """Something that is no good broker; `async with` it, its port is free for it alone."""

    port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self.attend, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing for as long as the other side stays."""
        await reader.read()
        writer.close()


class Refuser(Listener):
    """A broker that refuses every login, and counts them."""

    logins = 0

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version5 = b"\x00\x04MQTT\x05" in await reader.read(1024)
        self.logins += 1
        writer.write(b"\x20\x03\x00\x87\x00" if version5 else b"\x20\x02\x00\x05")
        writer.close()
