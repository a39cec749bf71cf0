"""A connection to the configured broker for a moment: for `call` and `check-config`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bridge.config import Config
from bridge.errors import LinkDown
from bridge.mqtt.connection import ClosedEarlyError, Connection, Incoming, MqttError, RefusedError, broker_of
from bridge.mqtt.remedies import remedy

GOODBYE = 1.0  # seconds that an orderly end may take
MQTT_LIBRARY = "mqtt"  # the name that it logs under


class _LastWords(logging.Handler):
    """The last error that the MQTT library logged: it tells more than what it raises."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Remember it."""
        self.text = record.getMessage()


@asynccontextmanager
async def connected(
    config: Config, client: str, receive: Callable[[Incoming], None]
) -> AsyncIterator[Connection]:
    """A connection, MQTT 5 first; LinkDown says why there is none and what to do about it."""
    connection = await _connect(config, client, receive)
    try:
        yield connection
    finally:
        try:
            async with asyncio.timeout(GOODBYE):
                await connection.leave()
        except (TimeoutError, MqttError):
            connection.abandon()


async def _connect(config: Config, client: str, receive: Callable[[Incoming], None]) -> Connection:
    settings = config.mqtt
    broker = broker_of(settings, f"klipper-bridge-{client}")
    words = _LastWords(logging.ERROR)
    library = logging.getLogger(MQTT_LIBRARY)
    library.handlers[:], library.propagate = [words], False
    place = f"{broker.host}:{broker.port}"
    for version5 in (True, False) if settings.protocol == "auto" else (settings.protocol == "5",):
        connection = Connection(broker, None, version5=version5, receive=receive)
        try:
            await connection.open()
        except MqttError as error:
            if version5 and isinstance(error, RefusedError) and error.version:
                continue
            cause = str(error)
            if isinstance(error, ClosedEarlyError) and words.text:
                cause += f" ({words.text.rpartition('socket: ')[2]})"
            raise LinkDown(f"no connection to the broker {place}: {remedy(cause, settings)}") from error
        return connection
    raise LinkDown(f"the broker {place} takes neither MQTT 5 nor 3.1.1; see mqtt.protocol")
