"""`klipper-bridge call`: one method of the running bridge, asked over MQTT as anybody else would."""

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from bridge.cli.broker import connected
from bridge.config import Config, load
from bridge.errors import LinkDown, TimedOut
from bridge.identity import instance_name
from bridge.mqtt.connection import Incoming, MqttError
from bridge.mqtt.topics import Topics

FAILED = 1
OFFLINE = b'{"server":"offline"}'


async def run(path: Path, method: str, params: Iterable[tuple[str, Any]], timeout: float) -> int:
    """Print the result of `method` as JSON; the code is 1 when the answer is an error."""
    config = load(path)
    request = {"jsonrpc": "2.0", "method": method, "params": dict(params), "id": 1}
    answer = msgspec.json.decode(await ask(config, msgspec.json.encode(request), timeout))
    error = answer.get("error")
    if error is not None:
        print(f"{method}: {error.get('message')} (code {error.get('code')})", file=sys.stderr)
        return FAILED
    print(json.dumps(answer.get("result"), indent=2, ensure_ascii=False))
    return 0


async def ask(config: Config, request: bytes, timeout: float) -> bytes:
    """Send one request on a topic of its own and wait for the answer."""
    client = f"call-{uuid.uuid4().hex[:8]}"
    topics = Topics(instance_name(config.instance), config.homeassistant.prefix)
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    offline = LinkDown(f"the bridge '{topics.instance}' is not running: it is offline on this broker")

    def receive(incoming: Incoming) -> None:
        if answer.done():
            return
        if incoming.topic != topics.status:
            answer.set_result(incoming.payload)
        elif incoming.payload == OFFLINE:
            answer.set_exception(offline)

    try:
        async with connected(config, client, receive) as connection, asyncio.timeout(timeout):
            await connection.ask_for(topics.status, 1)
            await connection.ask_for(topics.client_response(client), 1)
            topic = f"{topics.request}/{client}"
            await connection.deliver(topic, request, qos=1, retain=False, timeout=None)
            return await answer
    except TimeoutError as error:
        raise TimedOut(
            f"no answer from '{topics.instance}' within {timeout:g} s; is the bridge running, and is this "
            "its configuration? (a long G-code script needs a longer --timeout)"
        ) from error
    except MqttError as error:
        raise LinkDown(f"the broker was lost: {error}") from error


def argument(text: str) -> tuple[str, Any]:
    """`name=value` as a parameter; a value that is JSON is taken as such, any other as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
