"""The announcement in the network, as a second client hears it; on loopback, as all that tests send."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from bridge import __version__
from bridge.app import Bridge, build
from bridge.config import convert
from bridge.nearby import KIND, Nearby, Place, is_loopback, reachable
from tests.conftest import Start
from tests.wire import HOST, PATIENCE


@contextlib.asynccontextmanager
async def announced(name: str, **more: Any) -> AsyncIterator[None]:
    one = Nearby(
        name,
        "0123456789abcdef",
        {"uuid": "0123456789abcdef", "name": name},
        lambda: Place(HOST, 7125),
        addresses=lambda _host: [HOST],
        **more,
    )
    await one.open()
    task = asyncio.ensure_future(one.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await one.close()


@pytest.fixture
async def listener() -> AsyncIterator[AsyncZeroconf]:
    one = AsyncZeroconf(interfaces=[HOST])
    yield one
    await one.async_close()


async def heard(listener: AsyncZeroconf, name: str, *, patience: float = PATIENCE) -> AsyncServiceInfo | None:
    info = AsyncServiceInfo(KIND, f"{name}.{KIND}")
    found = await info.async_request(listener.zeroconf, patience * 1000)
    return info if found else None


async def test_an_app_finds_the_bridge_and_hears_its_goodbye(listener: AsyncZeroconf) -> None:
    async with announced("my printer.v2"):
        found = await heard(listener, "my printer v2")
        assert found is not None
        assert (found.port, found.parsed_addresses()) == (7125, [HOST])
        assert found.decoded_properties == {"uuid": "0123456789abcdef", "name": "my printer.v2"}
        assert found.server == "klipper-bridge-0123456789abcdef.local."
    async with asyncio.timeout(PATIENCE):
        while await heard(listener, "my printer v2", patience=0.1) is not None:
            pass


async def test_a_bridge_on_loopback_announces_nothing_and_runs(start: Start) -> None:
    bridge = await start(wait=False)
    assert bridge.bridge.config.zeroconf.enabled
    assert bridge.bridge.companions.place() is None


def composed(folder: Path, **sections: Any) -> tuple[Bridge, list[Nearby]]:
    """A bridge as it is built, and what of it announces; nothing of it runs: the network is not ours."""
    raw = {
        "instance": "printer",
        "data": str(folder),
        "http": {"host": "192.0.2.7", "port": 7777},
        **sections,
    }
    bridge = build(convert(raw, "x"), config_name="x", restart=lambda: None)
    return bridge, [one for one in bridge.parts if isinstance(one, Nearby)]


def test_the_bridge_announces_itself_with_its_own_facts(tmp_path: Path) -> None:
    bridge, (one,) = composed(tmp_path)
    assert one._label == "printer"
    assert one._facts == {"uuid": bridge.identity.unique, "name": "printer", "version": __version__}
    assert one._unique == bridge.identity.unique
    assert one._place() == Place("192.0.2.7", 7777)
    _, (named,) = composed(tmp_path, zeroconf={"name": "Voron in the cellar"})
    assert (named._label, named._facts["name"]) == ("Voron in the cellar", "Voron in the cellar")


def test_who_does_not_want_to_be_announced_is_not(tmp_path: Path) -> None:
    assert composed(tmp_path, zeroconf={"enabled": False})[1] == []
    _, (one,) = composed(tmp_path, http={"enabled": False, "host": "192.0.2.7"})
    assert one._place() is None


@pytest.mark.parametrize(
    ("host", "nobody_s"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_what_others_do_not_reach_is_told_to_nobody(host: str, nobody_s: bool) -> None:
    assert is_loopback(host) is nobody_s
    assert "127.0.0.1" not in reachable(host)


def test_one_address_is_announced_alone() -> None:
    assert reachable("192.168.1.5") == ["192.168.1.5"]
    assert reachable("localhost") == reachable("::1") == []


@pytest.mark.parametrize(
    ("name", "shown"), [("my\tprinter", "my printer"), ("", "klipper-bridge"), ("ü" * 300, "ü" * 31)]
)
async def test_a_name_that_dns_does_not_take_is_made_to_fit(
    listener: AsyncZeroconf, name: str, shown: str
) -> None:
    async with announced(name):
        assert await heard(listener, shown) is not None
