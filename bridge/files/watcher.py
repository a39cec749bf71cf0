"""Looks where others change the disk: told by the kernel, or by and by where the kernel does not tell."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import Change, watch

from bridge.files.entry import SETTLE
from bridge.files.index import Index
from bridge.lifecycle import Nagger
from bridge.roots import Root, Roots, is_listed

log = logging.getLogger(__name__)

EVERYTHING = 300.0  # seconds between two looks at everything, whatever was told
BLIND = 10.0  # the same while something cannot be watched
STUMBLED = 1.0  # seconds until it is listened again after a fault
STEP = 100  # ms in which changes are gathered, and between two signs of life of the watching thread

Folders = dict[str, tuple[Root, str]]  # by their place on the disk


class Watcher:
    """Keeps the index true."""

    def __init__(self, roots: Roots, index: Index) -> None:
        self._roots, self._index = roots, index
        self._nag = Nagger(log)
        self._wanted: dict[str, set[str]] = {}  # root -> folders to look at
        self._news = asyncio.Event()
        self._deaf = False  # the kernel refuses to tell
        self._incomplete = False  # the folder of a root is missing

    async def open(self) -> None:
        """See what there is."""
        await self._index.load()

    async def run(self) -> None:
        """Watch all folders, anew whenever there are others; for ever."""
        while True:
            folders, stop = self._folders(), asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(folders, stop))
                await asyncio.sleep(
                    0
                )  # it watches from its first step on; what came before is looked for now
                try:
                    await self._follow(folders)
                finally:
                    stop.set()

    async def close(self) -> None:
        """Nothing to give back."""

    def _folders(self) -> Folders:
        """Every folder that is to be watched."""
        self._incomplete = False
        found: Folders = {}
        for root in self._roots:
            for folder in self._index.folders(root):
                path = root.folder.resolve() / folder
                if path.is_dir():
                    found[str(path)] = (root, folder)
                else:
                    self._incomplete = True
        return found

    async def _listen(self, folders: Folders, stop: asyncio.Event) -> None:
        """Note what the kernel tells, until `stop` is set."""
        while not stop.is_set():
            self._deaf = False
            try:
                async for path in _told(folders, stop):
                    self._hint(path, folders)
            except FileNotFoundError:  # a folder has gone in the meantime
                self._hint_all()
            except OSError as error:
                self._deaf = True
                self._nag.warn(
                    f"the kernel does not tell of changed files ({error}); we look every "
                    f"{BLIND:g} s; a larger fs.inotify.max_user_watches may help"
                )
            except RuntimeError:  # it stumbles over names that are not UTF-8, and drops what it had to tell
                self._hint_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BLIND if self._deaf else STUMBLED):
                    await stop.wait()

    async def _follow(self, folders: Folders) -> None:
        """Look where there is news, until there are other folders."""
        self._hint_all()
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            unsettled = await self._look()
            if self._folders().keys() != folders.keys():
                return
            due = looked + (BLIND if self._deaf or self._incomplete else EVERYTHING) - loop.time()
            try:
                async with asyncio.timeout(SETTLE if unsettled else max(0.0, due)):
                    await self._news.wait()
            except TimeoutError:
                if not unsettled:
                    self._hint_all()
                    looked = loop.time()

    async def _look(self) -> bool:
        """Look where that is wanted; whether some file is still being written there."""
        self._news.clear()
        wanted, self._wanted = self._wanted, {}
        again = await self._index.look({self._roots.get(name): one for name, one in wanted.items()})
        for name, folders in again.items():
            self._wanted.setdefault(name, set()).update(folders)
        return bool(self._wanted)

    def _hint(self, path: str, folders: Folders) -> None:
        for near in (path, str(Path(path).parent)):
            if near in folders:
                root, folder = folders[near]
                self._wanted.setdefault(root.name, set()).add(folder)
                self._news.set()

    def _hint_all(self) -> None:
        for root in self._roots:
            for folder in self._index.folders(root):
                self._wanted.setdefault(root.name, set()).add(folder)
        self._news.set()


async def _told(folders: Folders, stop: asyncio.Event) -> AsyncIterator[str]:
    """What the kernel tells of these folders, from a thread that sees within STEP that it is to end.

    watchfiles' own `awatch` would bring anyio's machinery along, which nothing else here needs.
    """
    quit_ = threading.Event()
    changes = watch(
        *folders,
        watch_filter=_wanted,
        recursive=False,
        step=STEP,
        debounce=STEP,
        stop_event=quit_,
        raise_interrupt=False,
        rust_timeout=0,
    )
    stopping = asyncio.ensure_future(stop.wait())
    stopping.add_done_callback(lambda _done: quit_.set())
    try:
        while (told := await asyncio.to_thread(next, changes, None)) is not None:
            for _, path in told:
                yield path
    finally:
        stopping.cancel()


def _wanted(_change: Change, path: str) -> bool:
    return is_listed(Path(path).name)
