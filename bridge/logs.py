"""The log: one line a fact, to stderr and a rotating file, written by a thread of its own, secrets masked."""

import contextlib
import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.config import Config, Discretion
from bridge.lifecycle import REMINDER

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
FILE = "klipper-bridge.log"
MAX_WAITING = 10_000  # lines; beyond them the loop is never made to wait

# Libraries that say too much, or say what we say better.
QUIET = {
    "aiohttp": logging.WARNING,
    "asyncio": logging.WARNING,
    "watchfiles": logging.WARNING,
    "amqtt": logging.CRITICAL,
    "transitions": logging.CRITICAL,
    "passlib": logging.CRITICAL,
    "mqtt": logging.CRITICAL,
}

_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))} | {ord("\n"): " | "}

log = logging.getLogger(__name__)


class Log:
    """Owns the handlers of the root logger while the bridge runs."""

    def __init__(self, config: Config) -> None:
        settings = config.logging
        self._path = Path(config.data).expanduser() / "logs" / FILE
        self._file = _File(self._path, settings.max_bytes, settings.backups) if settings.file else None
        self._handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
        if self._file is not None:
            self._handlers.append(self._file)
        formatter = Masking(FORMAT, Discretion(config))
        for handler in self._handlers:
            handler.setFormatter(formatter)
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(MAX_WAITING)
        self._entry = _Entry(waiting)
        self._listener = logging.handlers.QueueListener(waiting, *self._handlers)
        self._level = settings.level.upper()

    def start(self) -> None:
        """Take over the root logger; a file that cannot be written to is told once and done without."""
        root = logging.getLogger()
        root.handlers[:] = [self._entry]
        root.setLevel(self._level)
        for name, level in QUIET.items():
            logging.getLogger(name).setLevel(level)
        self._listener.start()
        if self._file is not None and (reason := self._file.try_to_open()):
            log.warning("no log file, stderr alone: %s: %s", self._path, reason)

    def roll_over(self) -> str:
        """Put the file aside and begin it anew; why that did not work, else empty. For a thread."""
        if self._file is None:
            return "there is no log file (logging.file)"
        return self._file.put_aside()

    def stop(self) -> None:
        """Write what waits and let go."""
        root = logging.getLogger()
        if self._entry in root.handlers:
            root.removeHandler(self._entry)
            self._listener.stop()
        for handler in self._handlers:
            handler.close()


class _File(logging.handlers.RotatingFileHandler):
    """The rotating file; where it cannot be written to, lines of the log are lost and nothing else."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        super().__init__(
            path,
            maxBytes=max_bytes,
            backupCount=backups,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self._given_up_until = 0.0

    def try_to_open(self) -> str:
        """Why the file cannot be written to; empty when it can."""
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            with Path(self.baseFilename).open("a", encoding="utf-8"):
                return ""
        except OSError as error:
            self._given_up_until = time.monotonic() + REMINDER
            return error.strerror or str(error)

    def put_aside(self) -> str:
        """Begin anew now; why that did not work, else empty."""
        self.acquire()
        try:
            self.doRollover()
        except OSError as error:
            return error.strerror or str(error)
        finally:
            self.release()
        return ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless that failed a moment ago."""
        if time.monotonic() >= self._given_up_until:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the library's
        """Say it once and try again after a while: a full disk may be emptied."""
        self._given_up_until = time.monotonic() + REMINDER
        sys.stderr.write(f"no log file, stderr alone: {self.baseFilename}: {sys.exc_info()[1]}\n")

    def close(self) -> None:
        """Let go of the file, also of one whose last lines find no room."""
        with contextlib.suppress(OSError):  # told already, when they were written
            super().close()


class _Entry(logging.handlers.QueueHandler):
    """Hands records to the writing thread; when it cannot keep up, they are lost rather than waited for."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave formatting, traces too, to the writing thread; what came from outside cannot fake a line."""
        record.msg, record.args = record.getMessage().translate(_CONTROL), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never block, never raise."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            sys.stderr.write("the log cannot keep up; a line was lost\n")


class Masking(logging.Formatter):
    """Formats a record with every secret as `***`; who says it, by the name of a module, is none."""

    def __init__(self, fmt: str, hide: Callable[[str], str]) -> None:
        super().__init__(fmt)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """One line; a trace follows on lines of its own."""
        if record.exc_text:  # another formatter's
            record.exc_text = self._hide(record.exc_text)
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's
        """The line with what is said in it."""
        record.message = self._hide(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's
        """The trace, which may hold what was said."""
        return self._hide(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - the library's
        """The lines that led there."""
        return self._hide(super().formatStack(stack_info))
