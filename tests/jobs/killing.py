"""A bridge in a process of its own that is killed amid posts, a queue and prints; what must be there afterwards."""

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any

import aiohttp

from bridge.klippy.simulator import Simulator, Timing
from tests.handlers.posting import Poster, Process, length
from tests.jobs.desk import Desk, desk
from tests.wire import PATIENCE, until

FILES = {"short.gcode": "M117 short\n", "long.gcode": "G28\n" + "G1 X200 F6000\nG1 X0\n" * 10_000}
TIMING = Timing(tick=0.02, refused=0.01, startup=0.01)
CHANGED = "notify_history_changed"


class Queue:
    """A client of the queue: it knows what was answered, and what was under way."""

    def __init__(self, chance: random.Random) -> None:
        self.known: list[str] = []
        self.posting, self.deleting = 0, ""
        self.answered = 0
        self._chance = chance

    async def step(self, client: Desk) -> None:
        if self.known and self._chance.random() < 0.5:
            self.deleting = self._chance.choice(self.known)
            answer = await client.call("server.job_queue.delete_job", job_ids=[self.deleting])
        else:
            self.posting = self._chance.randrange(1, 4)
            names = self._chance.choices(list(FILES), k=self.posting)
            answer = await client.call("server.job_queue.post_job", filenames=names)
        self._take(answer)
        self.answered += 1

    def check(self, answer: dict[str, Any]) -> None:
        """Everything answered is there; what was under way is there whole or not at all."""
        found = [job["job_id"] for job in answer["queued_jobs"]]
        new = len(found) - len(self.known)
        rest = [one for one in self.known if one != self.deleting]
        assert found in (self.known, rest) or (found[: len(self.known)] == self.known and new == self.posting)
        self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        self.known = [job["job_id"] for job in answer["queued_jobs"]]
        self.posting, self.deleting = 0, ""


class Killing:
    """Knows what the bridge has acknowledged: answers, and jobs that it told of."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.process, self.chance = Process(folder), chance
        self.queue, self.poster = Queue(chance), Poster(0, chance)
        self.jobs: dict[str, str] = {}  # job_id -> status as it was told last
        self._socket, self._gcodes = folder / "none.sock", folder / "data" / "gcodes"
        self._gcodes.mkdir(parents=True)
        for name, text in FILES.items():
            (self._gcodes / name).write_text(text)
        self._printer: Simulator | None = None

    async def survive(self, rounds: int) -> None:
        """So many kills; with some of them the power goes, and the print with it."""
        try:
            for life in range(rounds):
                await self._life(length(life, self.chance))
                if self.chance.random() < 0.5:
                    await self._cut_the_power()
            unfinished = await self._leave_a_print()
            await self._power_on()
            async with self.process.running(), desk(self.process.url) as client:
                await self._check(client)
                assert self.jobs[unfinished] == "interrupted"
                assert "in_progress" not in self.jobs.values()
        finally:
            await self._cut_the_power()

    async def _leave_a_print(self) -> str:
        """A print is running when both the bridge and the power go; its job."""
        await self._cut_the_power()
        await self._power_on()
        async with self.process.running(), desk(self.process.url) as client:
            await self._check(client)
            await client.call("printer.print.start", filename="long.gcode")
            added = await client.hears(CHANGED, lambda change: change["action"] == "added")
        await self._cut_the_power()
        job: str = added["job"]["job_id"]
        self.jobs[job] = "in_progress"
        return job

    async def _life(self, many: int) -> None:
        await self._power_on()
        async with contextlib.AsyncExitStack() as afterwards:
            async with self.process.running():
                client = await afterwards.enter_async_context(desk(self.process.url))
                await self._check(client)
                before = self.queue.answered + self.poster.answered
                work = [
                    asyncio.ensure_future(self.poster.post(self.process.url)),
                    asyncio.ensure_future(self._until_gone(client, self.queue.step)),
                    asyncio.ensure_future(self._until_gone(client, self._print)),
                ]
                await until(lambda: self.queue.answered + self.poster.answered >= before + many)
            await asyncio.gather(*work)
            await until(lambda: client.closed)
            for change in client.of(CHANGED):
                self.jobs[change["job"]["job_id"]] = change["job"]["status"]

    async def _power_on(self) -> None:
        if self._printer is None:
            self._printer = Simulator(self._socket, self._gcodes, speed=100.0, noise=0.0, timing=TIMING)
            await self._printer.start()

    async def _cut_the_power(self) -> None:
        printer, self._printer = self._printer, None
        if printer is not None:
            await printer.stop()

    async def _until_gone(self, client: Desk, step: Any) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            while not client.closed:
                await step(client)

    async def _print(self, client: Desk) -> None:
        """One print from its start to its record; a long one is cancelled after a while."""
        seen = len(client.of(CHANGED))
        if "in_progress" not in self.jobs.values():
            name = self.chance.choice(list(FILES))
            await client.call("printer.print.start", filename=name)
            seen += 1
            await until(lambda: client.closed or len(client.of(CHANGED)) >= seen)
            await asyncio.sleep(self.chance.random() / 10)
            if name == "long.gcode":
                await client.call("printer.print.cancel")
        else:  # one that went on after a kill
            self.jobs = {job: status for job, status in self.jobs.items() if status != "in_progress"}
            await client.call("printer.print.cancel")
        await until(lambda: client.closed or len(client.of(CHANGED)) > seen)

    async def _check(self, client: Desk) -> None:
        """Every job that was told is there as it was told; what ran goes on or is interrupted."""
        assert self._printer is not None
        runs = self._printer.printer.stats.state == "printing"
        await self.poster.check(self.process.url)
        self.queue.check(await client.call("server.job_queue.status"))
        found = await self._settled(client, runs)
        for job, status in self.jobs.items():
            assert found.get(job) == status or (status == "in_progress" and job in found), (
                job,
                status,
                found,
            )
        self.jobs = found

    async def _settled(self, client: Desk, runs: bool) -> dict[str, str]:
        """The jobs of the history, as soon as what the printer does is known there."""
        state, found = "", {}
        try:
            async with asyncio.timeout(PATIENCE):
                while state != "ready" or list(found.values()).count("in_progress") != runs:
                    await asyncio.sleep(0.01)
                    answer = await client.call("server.history.list", limit=0)
                    found = {job["job_id"]: job["status"] for job in answer["jobs"]}
                    state = (await client.call("server.info"))["klippy_state"]
        except TimeoutError:
            raise AssertionError(f"Klippy is {state}, a print runs: {runs}, the history: {found}") from None
        return found
