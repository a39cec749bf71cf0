"""`klipper-bridge purge`: every retained topic of this instance is cleared; foreign ones are not touched."""

import asyncio
import uuid
from pathlib import Path

from bridge.cli.broker import connected
from bridge.config import Config, load
from bridge.errors import Conflict, LinkDown
from bridge.folders import Folders
from bridge.identity import Identity, identify
from bridge.mqtt.connection import Incoming, MqttError
from bridge.mqtt.link import ONLINE
from bridge.mqtt.topics import Topics

PATIENCE = 10.0  # seconds
MEMORIES = ("discovery.json", "discovery_host.json", "retained.json")


async def run(path: Path) -> int:
    """Clear the topics, say how many, and forget what was published."""
    config = load(path)
    folders = Folders(Path(config.data).expanduser())
    folders.make()
    identity = identify(config.instance, folders.own)
    cleared = await purge(config, identity)
    for name in MEMORIES:
        (folders.own / name).unlink(missing_ok=True)
    print(f"cleared {cleared} retained topics of '{identity.name}'")
    return 0


async def purge(config: Config, identity: Identity) -> int:
    """Clear what the broker keeps for this instance; how many topics that was."""
    topics = Topics(identity.name, config.homeassistant.prefix)
    devices = (topics.device(identity.unique), topics.device(f"{identity.unique}_host"))
    kept: dict[str, bytes] = {}
    client = f"purge-{uuid.uuid4().hex[:8]}"
    end, over = topics.client_response(client), asyncio.Event()

    def receive(incoming: Incoming) -> None:
        if incoming.topic == end:
            over.set()
        elif incoming.retain and incoming.payload:
            kept[incoming.topic] = incoming.payload

    try:
        async with connected(config, client, receive) as connection, asyncio.timeout(PATIENCE):
            for pattern in (*topics.own, *devices):
                await connection.ask_for(pattern, 1)
            # our own message comes back behind everything that was retained
            await connection.ask_for(end, 1, own=True)
            await connection.deliver(end, b"{}", qos=1, retain=False, timeout=None)
            await over.wait()
            if kept.get(topics.status) == ONLINE:
                raise Conflict(
                    f"the bridge '{identity.name}' is running; stop it first, it would say it all again"
                )
            for topic in sorted(kept, key=lambda one: one not in devices):  # the devices first
                await connection.deliver(topic, b"", qos=1, retain=True, timeout=None)
    except TimeoutError as error:
        raise LinkDown(
            f"the broker did not answer within {PATIENCE:g} s; try again, what is left goes then"
        ) from error
    except MqttError as error:
        raise LinkDown(f"the broker was lost: {error}; try again, what is left goes then") from error
    return len(kept)
