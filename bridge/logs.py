"""The log: one line a fact, to stderr and a rotating file, written by a thread of its own, secrets masked."""

import logging
import logging.handlers
import queue
import sys
from collections.abc import Iterable
from pathlib import Path

from bridge.config import SECRET_KEYS, Config

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
MAX_WAITING = 10_000  # lines; beyond them the loop is never made to wait
SHORTEST_SECRET = 4  # characters; masking shorter ones would garble the log

QUIET = ("amqtt", "aiohttp", "asyncio", "mqtt", "transitions", "passlib")


class Log:
    """Owns the handlers of the root logger while the bridge runs."""

    def __init__(self, config: Config, folder: Path) -> None:
        settings = config.logging
        handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
        if settings.file:
            handlers.append(
                logging.handlers.RotatingFileHandler(
                    folder / "klipper-bridge.log",
                    maxBytes=settings.max_bytes,
                    backupCount=settings.backups,
                    encoding="utf-8",
                    delay=True,
                )
            )
        formatter = Masking(FORMAT, secrets_of(config))
        for handler in handlers:
            handler.setFormatter(formatter)
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(MAX_WAITING)
        self._entry = _Entry(waiting)
        self._listener = logging.handlers.QueueListener(waiting, *handlers)
        self._handlers = handlers
        self._level = settings.level.upper()

    def start(self) -> None:
        """Take over the root logger."""
        root = logging.getLogger()
        root.handlers[:] = [self._entry]
        root.setLevel(self._level)
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._listener.start()

    def stop(self) -> None:
        """Write what waits and let go."""
        logging.getLogger().removeHandler(self._entry)
        self._listener.stop()
        for handler in self._handlers:
            handler.close()


class _Entry(logging.handlers.QueueHandler):
    """Hands records to the writing thread; when it cannot keep up, they are lost rather than waited for."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave formatting, traces too, to the writing thread."""
        record.msg, record.args = record.getMessage(), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never block, never raise."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            sys.stderr.write("the log cannot keep up; a line was lost\n")


class Masking(logging.Formatter):
    """Formats a record with every secret of the configuration as `***`."""

    def __init__(self, fmt: str, secrets: Iterable[str]) -> None:
        super().__init__(fmt)
        self._secrets = sorted(secrets, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line; a trace follows on lines of its own."""
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def secrets_of(value: object, name: str = "") -> set[str]:
    """Every secret text below a part of the configuration."""
    if isinstance(value, str):
        return {value} if name in SECRET_KEYS and len(value) >= SHORTEST_SECRET else set()
    if isinstance(value, dict):
        return set().union(*(secrets_of(item, str(key)) for key, item in value.items()))
    if isinstance(value, list):
        return set().union(*(secrets_of(item, name) for item in value))
    fields = getattr(value, "__struct_fields__", ())
    return set().union(*(secrets_of(getattr(value, field), field) for field in fields))
