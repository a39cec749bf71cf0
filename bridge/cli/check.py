"""`klipper-bridge check-config`: what is wrong with configuration, broker and socket, and the remedy."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.app import Folders
from bridge.cli.call import connect
from bridge.config import Config, load
from bridge.errors import BridgeError
from bridge.identity import instance_name
from bridge.klippy.link import KlippyLink
from bridge.klippy.state import remedy as klippy_remedy
from bridge.mqtt.link import remedy as broker_remedy

FAILED = 1


async def run(path: Path) -> int:
    """Check everything that can be checked without starting; 1 when something is wrong."""
    path = path.expanduser()
    config = load(path)
    print(f"ok    {path} is valid; the instance is '{instance_name(config.instance)}'")
    good = True
    for name, check in CHECKS:
        try:
            print(f"ok    {await check(config)}")
        except (BridgeError, OSError) as error:
            good = False
            print(f"WRONG {name}: {error}")
    return 0 if good else FAILED


async def folders(config: Config) -> str:
    """Whether the bridge can keep its things."""
    data = Path(config.data).expanduser()
    Folders(data).make()
    return f"data: {data} can be written to"


async def broker(config: Config) -> str:
    """Whether the broker lets us in."""
    try:
        connection = await connect(config, "check", lambda _message: None)
    except BridgeError as error:
        raise BridgeError(broker_remedy(error)) from error
    spoken = "5" if connection.version5 else "3.1.1"
    await connection.leave()
    return f"mqtt: the broker {config.mqtt.host} lets us in, over MQTT {spoken}"


async def klippy(config: Config) -> str:
    """Whether Klippy answers on its socket."""
    path = Path(config.klippy.socket).expanduser()
    link = KlippyLink(path, timeout=config.klippy.request_timeout)
    try:
        await link.connect()
        info = await link.fetch("info")
    except OSError as error:
        raise BridgeError(f"{path}: {klippy_remedy(error)}") from error
    finally:
        link.close()
    return f"klippy: {info.get('software_version', 'some version')} answers; it is {info.get('state')}"


CHECKS: tuple[tuple[str, Callable[[Config], Awaitable[str]]], ...] = (
    ("data", folders),
    ("mqtt", broker),
    ("klippy", klippy),
)
