"""A process that updates one component and is killed meanwhile; and what the next process makes of it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bridge.config.updates import UpdatedComponent
from bridge.outgoing import Outgoing
from bridge.services.rights import Rights
from bridge.threads import ThreadEach
from bridge.updates import kinds
from bridge.updates.component import Component
from bridge.updates.memory import Memory
from bridge.updates.releases import Releases
from tests.wire import until


def component(settings: dict[str, Any], folder: Path, outgoing: Outgoing, api: str = "http://x") -> Component:
    """What the bridge would make of a component's configuration."""
    memory = Memory(folder / "memory/file.json")
    memory.load()
    if settings["type"] == "system":
        return kinds.system(Rights(None), folder)
    made: Any = msgspec.convert(settings, UpdatedComponent)
    return kinds.component("toy", made, memory, Releases(outgoing, api, None), is_ours=False)


def die_at(moment: str) -> None:
    """kill -9 of oneself right before something happens: an audit event of Python and a word of what it is about."""
    wanted, _, word = moment.partition(" ")

    def hook(event: str, about: tuple[Any, ...]) -> None:
        if event == wanted and word in str(about):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


async def work(settings: dict[str, Any], folder: Path, api: str, verb: str) -> None:
    outgoing = Outgoing()
    await outgoing.open()
    one = component(settings, folder, outgoing, api)
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    if verb == "update":
        await one.update(lambda _line: None)
    else:
        await one.recover(lambda _line: None, hard=True)
    await outgoing.close()


class Victim:
    """Begins an update, and dies."""

    def __init__(
        self,
        settings: dict[str, Any],
        folder: Path,
        api: str = "http://x",
        *,
        verb: str = "update",
        moment: str = "",
    ) -> None:
        self._words = (json.dumps(settings), str(folder), api, verb, moment)
        self.process: Any = None

    async def begin(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.updates.victim", *self._words),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        assert await self.process.stdout.readline() == b"begins\n"

    async def kill(self, *, all_of_it: bool) -> None:
        """kill -9; with `all_of_it` as a power cut does it, else what it has started goes on."""
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            children = psutil.Process(self.process.pid).children(recursive=True) if all_of_it else []
            self.process.kill()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        await self.process.communicate()

    async def died(self) -> bool:
        """Whether it has killed itself."""
        return await self.process.wait() == -signal.SIGKILL

    async def ended(self) -> bool:
        """Whether it came to its end by itself."""
        return await self.process.wait() == 0


async def stalled(victim: Victim, sign: Path) -> None:
    """Wait until it is in the middle of it."""
    await until(lambda: sign.exists() or victim.process.returncode is not None)
    assert victim.process.returncode is None


if __name__ == "__main__":
    if sys.argv[5]:
        die_at(sys.argv[5])
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(ThreadEach())
        runner.run(work(json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
    os._exit(0)
