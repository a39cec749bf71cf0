"""5,000 posts, one after the other over one WebSocket: `python bench/database.py [--moonraker PYTHON]`.

With the interpreter of a venv that has Moonraker installed, both servers are asked turn by turn, so that
they meet the same disk and the same neighbours. Figures are milliseconds.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

POSTS, TURN = 5_000, 250
VALUE = {"name": "benchmark", "list": list(range(20)), "text": "x" * 200}
HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server that runs, and what it took."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.took: dict[str, list[float]] = {}
        self._ids = itertools.count(1)
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @contextlib.asynccontextmanager
    async def running(self, command: list[str]) -> AsyncIterator[None]:
        """From the start of the process until its end."""
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with aiohttp.ClientSession() as session, await self._connected(session) as self._socket:
                yield
        finally:
            process.terminate()
            await process.wait()

    async def _connected(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        end = time.monotonic() + 20
        while True:
            try:
                return await session.ws_connect(f"ws://{HOST}:{self.port}/websocket", max_msg_size=0)
            except aiohttp.ClientError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.05)

    async def call(self, what: str, method: str, **params: Any) -> Any:
        """One request and its answer, noted under `what`."""
        assert self._socket is not None
        number = next(self._ids)
        request = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": number})
        started = time.perf_counter()
        await self._socket.send_str(request)
        while True:
            text = await self._socket.receive_str()
            took = (time.perf_counter() - started) * 1000
            answer = json.loads(text)
            if answer.get("id") == number:
                break
        self.took.setdefault(what, []).append(took)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer["result"]

    async def post(self, first: int, last: int) -> None:
        """New keys."""
        for number in range(first, last):
            await self.call(
                "post_item", "server.database.post_item", namespace="bench", key=f"k{number}", value=VALUE
            )

    async def read(self) -> None:
        """Single keys, and the whole namespace."""
        for number in range(500):
            key = f"k{number * 37 % POSTS}"
            await self.call("get_item", "server.database.get_item", namespace="bench", key=key)
        for number in range(500):
            await self.call(
                "post_item again",
                "server.database.post_item",
                namespace="bench",
                key=f"k{number}",
                value=VALUE,
            )
        for _ in range(5):
            found = await self.call("get_item, all", "server.database.get_item", namespace="bench")
            assert len(found["value"]) == POSTS


def bridge(folder: Path) -> tuple[Server, list[str]]:
    server = Server("klipper-bridge", folder)
    config = folder / "bridge.yaml"
    config.write_text(
        f"data: {folder}/data\nklippy: {{socket: {folder}/none.sock}}\nmqtt: {{port: {free_port()}}}\n"
        f"http: {{port: {server.port}}}\n"
    )
    return server, [sys.executable, "-m", "bridge", "run", "--config", str(config)]


def moonraker(folder: Path, python: str) -> tuple[Server, list[str]]:
    server = Server("moonraker", folder)
    for name in ("config", "gcodes", "logs", "database"):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "moonraker.conf").write_text(
        f"[server]\nhost: {HOST}\nport: {server.port}\nklippy_uds_address: {folder}/none.sock\n"
        f"[authorization]\ntrusted_clients:\n  {HOST}\n"
        "[machine]\nprovider: none\nvalidate_service: False\n"
    )
    return server, [python, "-m", "moonraker", "-d", str(folder)]


async def main(python: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = [bridge(folder)]
        if python:
            starts.append(moonraker(folder / "moonraker", python))
        async with contextlib.AsyncExitStack() as stack:
            for server, command in starts:
                await stack.enter_async_context(server.running(command))
            servers = [server for server, _ in starts]
            for first in range(0, POSTS, TURN):
                for server in servers:
                    await server.post(first, first + TURN)
            for server in servers:
                await server.read()
        for server in servers:
            for what, took in server.took.items():
                low = statistics.quantiles(took, n=100)
                print(f"{server.name:16} {what:16} p50 {low[49]:7.3f}  p99 {low[98]:7.3f}  n {len(took)}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--moonraker", metavar="PYTHON", help="interpreter of a venv with Moonraker")
    asyncio.run(main(options.parse_args().moonraker))
