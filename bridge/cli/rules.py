"""Whether the broker has rules: who it lets in, and whether it keeps a user to that user's topics."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import msgspec

from bridge.cli.broker import connected
from bridge.config import Config, Mqtt
from bridge.errors import BridgeError
from bridge.identity import instance_name
from bridge.mqtt.connection import MqttError

PATIENCE = 1.0  # seconds; on the way to a broker and back it takes a few thousandths
FOREIGN = "klipper-bridge-check"  # a topic that no rule has a reason to open to a bridge


async def warnings(config: Config) -> AsyncIterator[str]:
    """What is missing; nothing where the broker keeps everybody in their place, or cannot be reached."""
    if await _lets_in(_without_login(config)):
        yield (
            "the broker lets anybody in without a password; whoever reaches it may do what mqtt.allow says. "
            "Give it users (mosquitto: allow_anonymous false)"
        )
    if await _passes_on(config):
        yield (
            f"the broker lets us publish outside of {instance_name(config.instance)}/: it has no rules for "
            "topics, or does not enforce them. `klipper-bridge acl` prints some"
        )


def _without_login(config: Config) -> Config:
    settings: Mqtt = msgspec.structs.replace(config.mqtt, username=None, password=None)
    return msgspec.structs.replace(config, mqtt=settings)


async def _lets_in(config: Config) -> bool:
    try:
        async with connected(config, f"check-{uuid.uuid4().hex[:8]}", lambda _message: None):
            return True
    except BridgeError:
        return False


async def _passes_on(config: Config) -> bool:
    """Whether a message on a foreign topic comes back to us."""
    topic, returned = f"{FOREIGN}/{uuid.uuid4().hex}", asyncio.Event()
    client = f"check-{uuid.uuid4().hex[:8]}"
    try:
        async with (
            connected(config, client, lambda _message: returned.set()) as connection,
            asyncio.timeout(PATIENCE),
        ):
            await connection.ask_for(topic, 1)
            await connection.deliver(topic, b"{}", qos=1, retain=False, timeout=None)
            await returned.wait()
    except (BridgeError, MqttError, TimeoutError):
        return False
    return True
