"""`klipper-bridge call`: one method of the running bridge, asked over MQTT as anybody else would."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import msgspec

from bridge.config import Config, load
from bridge.errors import BadParams, LinkDown, TimedOut
from bridge.identity import instance_name
from bridge.mqtt.connection import Connection, Incoming, MqttError, RefusedError
from bridge.mqtt.link import broker_of
from bridge.mqtt.topics import Topics

FAILED = 1


async def run(path: Path, method: str, params: list[str], timeout: float) -> int:
    """Print the result of `method` as JSON; the code is 1 when the answer is an error."""
    config = load(path.expanduser())
    request = {"jsonrpc": "2.0", "method": method, "params": arguments(params), "id": 1}
    answer = msgspec.json.decode(await ask(config, msgspec.json.encode(request), timeout))
    if "error" in answer:
        print(f"{method}: {answer['error'].get('message')}", file=sys.stderr)
        return FAILED
    print(json.dumps(answer.get("result"), indent=2, ensure_ascii=False))
    return 0


async def ask(config: Config, request: bytes, timeout: float) -> bytes:
    """Send one request on a topic of its own and wait for the answer."""
    client = f"call-{uuid.uuid4().hex[:8]}"
    topics = Topics(instance_name(config.instance), config.homeassistant.prefix)
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def receive(incoming: Incoming) -> None:
        if not answer.done():
            answer.set_result(incoming.payload)

    connection = await connect(config, client, receive)
    try:
        await connection.ask_for(topics.client_response(client), 1)
        await connection.deliver(f"{topics.request}/{client}", request, qos=1, retain=False, timeout=timeout)
        async with asyncio.timeout(timeout):
            return await answer
    except TimeoutError as error:
        raise TimedOut(
            f"no answer from '{topics.instance}' within {timeout:g} s; is the bridge running, and is this "
            "its configuration? (a long G-code script needs a longer --timeout)"
        ) from error
    finally:
        await connection.leave()


async def connect(config: Config, client: str, receive: Any) -> Connection:
    """A connection to the configured broker, MQTT 5 first; LinkDown says why there is none."""
    broker = broker_of(config.mqtt, f"klipper-bridge-{client}")
    for version5 in (True, False) if config.mqtt.protocol == "auto" else (config.mqtt.protocol == "5",):
        connection = Connection(broker, None, version5=version5, receive=receive)
        try:
            await connection.open()
        except MqttError as error:
            if version5 and isinstance(error, RefusedError) and error.version:
                continue
            raise LinkDown(f"no connection to the broker {broker.host}:{broker.port}: {error}") from error
        return connection
    raise LinkDown(f"the broker {broker.host}:{broker.port} takes neither MQTT 5 nor 3.1.1")


def arguments(pairs: list[str]) -> dict[str, Any]:
    """`name=value` as parameters; a value that is JSON is taken as such, any other as text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadParams(f"{pair!r}: expected NAME=VALUE")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found
