"""A bridge in a process of its own, posts to its database, and a kill in the middle of them."""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
from pathlib import Path

import aiohttp

from bridge.__main__ import main
from tests.wire import HOST, PATIENCE, free_port, until

# A process that has everything imported and is forked for each bridge: a start takes no second then.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["bridge.__main__"])
GONE = object()
PATIENT = aiohttp.ClientTimeout(total=PATIENCE)  # an answer that does not come fails its test


def _main(arguments: list[str], output: str) -> None:
    sys.stdout = sys.stderr = Path(output).open("a")  # noqa: SIM115 - for as long as the process lives
    sys.exit(main(arguments))


class Process:
    """`klipper-bridge run` with neither broker nor Klippy: the database needs none."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.config, self.output = folder / "bridge.yaml", folder / "output"
        config = {
            "data": str(folder / "data"),
            "klippy": {"socket": str(folder / "none.sock")},
            "mqtt": {"host": HOST, "port": free_port()},
            "http": {"port": self.port},
        }
        self.config.write_text(json.dumps(config))

    @contextlib.asynccontextmanager
    async def running(self, end: signal.Signals = signal.SIGKILL):
        """From the first answer to the end."""
        arguments = ["run", "--config", str(self.config)]
        process = SERVER.Process(target=_main, args=(arguments, str(self.output)))
        process.start()
        try:
            await self._answers(process)
            yield process
        finally:
            if process.is_alive():
                os.kill(process.pid, end)
            await until(lambda: not process.is_alive())
            process.join()
            process.close()

    async def _answers(self, process: multiprocessing.process.BaseProcess) -> None:
        """Wait for the first answer, or for the end of a process that gives none."""
        try:
            async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
                while process.is_alive():
                    with contextlib.suppress(aiohttp.ClientError):
                        await session.get(f"{self.url}/server/info")
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"the bridge does not answer:\n{self.output.read_text()[-2000:]}") from None


class Poster:
    """One client and its namespace: it knows what was answered, and what was under way."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.namespace = f"client {number}"
        self.known: dict[str, object] = {}
        self.under_way: tuple[str, object] | None = None
        self.answered = 0
        self._chance, self._numbers = chance, itertools.count()

    async def post(self, url: str) -> None:
        """Post, change and delete until the bridge is gone."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with aiohttp.ClientSession(timeout=PATIENT) as session:
                while True:
                    await self._step(session, f"{url}/server/database/item")

    async def _step(self, session: aiohttp.ClientSession, url: str) -> None:
        number = next(self._numbers)
        key = self._chance.choice([f"new {number}", "same", *list(self.known)[:5]])
        gone = key in self.known and self._chance.random() < 0.3
        value = GONE if gone else {"number": number, "text": "x" * self._chance.randrange(3000)}
        self.under_way = (key, value)
        body = {"namespace": self.namespace, "key": [key]} | ({} if gone else {"value": value})
        async with session.request("DELETE" if gone else "POST", url, json=body) as response:
            assert response.status == 200, await response.text()
            await response.read()
        self.known = self._after()
        self.under_way = None
        self.answered += 1

    def _after(self) -> dict[str, object]:
        assert self.under_way is not None
        key, value = self.under_way
        return {name: item for name, item in {**self.known, key: value}.items() if item is not GONE}

    async def check(self, url: str) -> None:
        """Everything answered is there; what was under way is there whole or not at all."""
        async with (
            aiohttp.ClientSession(timeout=PATIENT) as session,
            session.get(f"{url}/server/database/item", params={"namespace": self.namespace}) as response,
        ):
            answer = await response.json()
        found = answer["result"]["value"] if response.status == 200 else {}
        allowed = [self.known] if self.under_way is None else [self.known, self._after()]
        assert found in allowed, f"{self.namespace} lost {self.known.keys() ^ found.keys()}"
        self.known, self.under_way = found, None


async def survive(folder: Path, rounds: int, chance: random.Random) -> int:
    """So many kills under load; how many posts were answered."""
    process = Process(folder)
    posters = [Poster(number, chance) for number in range(3)]
    for life in range(rounds):
        async with process.running():
            for poster in posters:
                await poster.check(process.url)
            work = [asyncio.ensure_future(poster.post(process.url)) for poster in posters]
            enough = answered(posters) + length(life, chance)
            await until(lambda enough=enough: answered(posters) >= enough)
        await asyncio.gather(*work)
    async with process.running(signal.SIGTERM), aiohttp.ClientSession() as session:
        for poster in posters:
            await poster.check(process.url)
        async with session.get(f"{process.url}/server/info") as response:
            assert (await response.json())["result"]["warnings"] == []
    return answered(posters)


def length(life: int, chance: random.Random) -> int:
    """The answers that are given before the kill: every second one comes early."""
    return chance.randrange(1, 10) if life % 2 else chance.randrange(20, 40)


def answered(posters: list[Poster]) -> int:
    return sum(poster.answered for poster in posters)
