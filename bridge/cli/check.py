"""`klipper-bridge check-config`: what is wrong with configuration, broker and socket, and the remedy."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from bridge.app import Bridge
from bridge.cli.broker import connected
from bridge.cli.ports import is_free
from bridge.cli.rules import warnings
from bridge.config import Config, load
from bridge.errors import BridgeError, ConfigError, LinkDown
from bridge.files.shelf import gcodes_of
from bridge.folders import Folders
from bridge.identity import Identity, instance_name
from bridge.klippy.link import KlippyLink
from bridge.klippy.link import remedy as klippy_remedy
from bridge.klippy.printer_link import status_update
from bridge.klippy.sdcard import mismatch
from bridge.klippy.state import NEEDED
from bridge.mqtt.connection import MqttError
from bridge.mqtt.remedies import remedy
from bridge.mqtt.topics import Topics
from bridge.printers import link_to
from bridge.store.lock import FolderLock, InUse

FAILED = 1
BROKER_PATIENCE, KLIPPY_PATIENCE = 2.0, 5.0  # seconds; in health both answer at once


@dataclass(frozen=True)
class Fact:
    """One line of the report."""

    text: str
    mark: str = "ok"


Report = AsyncIterator[Fact]  # an error ends it


async def run(path: Path) -> int:
    """Check everything that can be checked without starting; 1 when something is wrong."""
    config = load(path)
    good = True
    for name, check in CHECKS:
        try:
            async for fact in check(config):
                print(f"{fact.mark:<5} {name}: {fact.text}", flush=True)
        except ConfigError as error:
            raise ConfigError(f"{path.name}: {error}") from error
        except (BridgeError, OSError) as error:
            good = False
            print(f"WRONG {name}: {error}", flush=True)
    return 0 if good else FAILED


async def built(config: Config) -> Report:
    """Whether a bridge can be made of it."""
    name = instance_name(config.instance)
    bridge = Bridge(config, Identity(name, "0" * 16), Folders(Path(config.data).expanduser()))
    yield Fact(f"valid; the instance is '{name}'")
    methods = {method.name: method.access for method in bridge.registry.methods.values()}
    for pattern in bridge.policy.unused(methods):
        yield Fact(f"mqtt: no method is called '{pattern}', as mqtt.allow or mqtt.deny has it", "note")


async def folders(config: Config) -> Report:
    """Whether the bridge can keep its things."""
    data = Path(config.data).expanduser()
    try:
        Folders(data).make()
    except ConfigError as error:
        raise BridgeError(str(error).removeprefix("data: ")) from error
    yield Fact(f"{data} can be written to")


async def broker(config: Config) -> Report:
    """Whether the broker lets us in, and messages through."""
    topics = Topics(instance_name(config.instance), config.homeassistant.prefix)
    client = f"check-{uuid.uuid4().hex[:8]}"
    returned = asyncio.Event()
    async with connected(config, client, lambda _message: returned.set()) as connection:
        protocol = "5" if connection.version5 else "3.1.1"
        yield Fact(f"{config.mqtt.host} lets us in, over MQTT {protocol}")
        topic = topics.client_response(client)
        try:
            async with asyncio.timeout(BROKER_PATIENCE):
                await connection.ask_for(topic, 1)
                await connection.deliver(topic, b"{}", qos=1, retain=False, timeout=None)
                await returned.wait()
        except (LinkDown, MqttError, TimeoutError) as error:
            text = str(error) or f"our own message did not come back on {topic}"
            raise BridgeError(remedy(text, config.mqtt)) from error
        yield Fact(f"messages below {topics.instance}/ come through")
    async for warning in warnings(config):
        yield Fact(warning, "note")


async def klippy(config: Config) -> Report:
    """Whether Klippy answers on its socket, and has what clients need."""
    if config.klippy.serial is not None:
        async for fact in serial_printer(config):
            yield fact
        return
    path = Path(config.klippy.socket).expanduser()
    link = KlippyLink(path, timeout=min(config.klippy.request_timeout, KLIPPY_PATIENCE))
    try:
        await link.connect()
        info = await link.fetch("info")
        yield Fact(f"{info.get('software_version', 'some version')} answers; it is {info.get('state')}")
        listed = (await link.fetch("objects/list")).get("objects")
        for name in (name for name in NEEDED if isinstance(listed, list) and name not in listed):
            yield Fact(f"printer.cfg has no [{name}]; printing from files and web UIs need it", "note")
        elsewhere = await _elsewhere(link, config)
    except (BridgeError, OSError) as error:
        raise BridgeError(f"{path}: {_klippy_remedy(error, path)}") from error
    finally:
        link.close()
    if elsewhere is not None:
        raise BridgeError(elsewhere)


async def _elsewhere(link: KlippyLink, config: Config) -> str | None:
    """Why every print would be refused, when Klipper prints from another folder."""
    if not config.files.check_sdcard:
        return None
    asked = await link.fetch("objects/query", {"objects": {"configfile": ["settings"]}})
    found = status_update(asked).status.get("configfile", {}).get("settings")
    gcodes = gcodes_of(config)
    return mismatch(found, Path(gcodes).expanduser(), gcodes) if isinstance(found, dict) else None


async def serial_printer(config: Config) -> Report:
    """Whether somebody answers on the serial port; who it is."""
    folders = Folders(Path(config.data).expanduser())
    if await runs(folders):
        yield Fact(f"the bridge has {config.klippy.serial} open")
        return
    link, parts = link_to(config.klippy, folders.data)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part.run()) for part in parts]
            await link.connect()
            info = await link.fetch("info")
            for task in tasks:
                task.cancel()
    except* (BridgeError, OSError) as errors:
        raise BridgeError(link.trouble(errors.exceptions[0])) from errors
    finally:
        link.close()
    yield Fact(f"{info.get('software_version')} answers at {link.path}")


def _klippy_remedy(error: Exception, path: Path) -> str:
    if isinstance(error, ConnectionRefusedError) and not path.is_socket():
        return "not a socket; klippy.socket is the path that klippy.py's `-a` names"
    if isinstance(error, BridgeError):
        return f"{error}; is Klipper well? its klippy.log tells"
    return klippy_remedy(error)


async def http(config: Config) -> Report:
    """Whether the port is free; the running bridge itself may have it."""
    host, port = config.http.host, config.http.port
    if not config.http.enabled:
        yield Fact("switched off")
    elif is_free(host, port):
        yield Fact(f"port {port or 'any'} of {host} is free")
    else:
        yield Fact(
            f"port {port} of {host} is taken: by this bridge, if it runs; else choose another http.port",
            "note",
        )


CHECKS: tuple[tuple[str, Callable[[Config], Report]], ...] = (
    ("config", built),
    ("data", folders),
    ("mqtt", broker),
    ("klippy", klippy),
    ("http", http),
)


async def runs(folders: Folders) -> str | None:
    """Who works in the folder now; None when nobody does."""
    if not os.access(folders.own, os.W_OK):
        return None  # nothing to say without it
    lock = FolderLock(folders.own, patience=0)
    try:
        await lock.open()
    except InUse as error:
        return str(error).removeprefix("another ")
    finally:
        await lock.close()
    return None
