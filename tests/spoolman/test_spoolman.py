"""Spoolman beside a simulated printer: the spool in use, its account, and its absence."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator, write_sample
from bridge.mqtt.payloads import Spool
from tests.conftest import Running, Start
from tests.ha_discovery.rendering import render
from tests.power.calls import Refused, availability, call, entities
from tests.spoolman.stand_in import Spoolman, spoolman
from tests.wire import Ear, until


@pytest.fixture
async def keeper() -> AsyncIterator[Spoolman]:
    async with spoolman() as one:
        yield one


def options(keeper: Spoolman) -> dict[str, object]:
    return {"server": keeper.url, "sync_rate": 0.1}


async def connected(bridge: Running) -> None:
    await until(lambda: bridge.bridge.surroundings.spools.connected)


async def print_some(bridge: Running, tmp_path, name: str = "a.gcode") -> float:
    """A short print; how much filament it took by Klippy's own count."""
    write_sample(tmp_path / "data" / "gcodes" / name, size=20, layers=3)
    await call(bridge, "printer.print.start", filename=name)
    await until(lambda: bridge.bridge.tracker.current is not None)
    await until(lambda: bridge.bridge.tracker.current is None, patience=8)
    (job, *_) = (await call(bridge, "server.history.list", order="desc"))["jobs"]
    return job["filament_used"]


async def test_the_spool_in_use_is_set_cleared_kept_and_told(
    klippy: Simulator, start: Start, keeper: Spoolman, mqtt: Ear
) -> None:
    bridge = await start(spoolman=options(keeper))
    await connected(bridge)
    assert "spoolman" in (await call(bridge, "server.info"))["components"]
    assert await call(bridge, "server.spoolman.get_spool_id") == {"spool_id": None}
    assert await call(bridge, "server.spoolman.post_spool_id", spool_id=1) == {"spool_id": 1}
    event = await mqtt.message(bridge.topics.event("active_spool_set"))
    assert event.json["data"] == {"spool_id": 1}
    told = await mqtt.message(bridge.topics.spool, where=lambda m: m.json["name"])
    assert told.json == {
        "connected": True,
        "spool_id": 1,
        "name": "PolyTerra Charcoal",
        "vendor": "Polymaker",
        "material": "PLA",
        "color": "33333D",
        "remaining_weight": 1000.0,
        "remaining_length": 335_000.0,
    }
    status = {"spoolman_connected": True, "pending_reports": [], "spool_id": 1}
    assert await call(bridge, "server.spoolman.status") == status
    await bridge.end()
    again = await start(spoolman=options(keeper), instance="spools2")
    assert await call(again, "server.spoolman.get_spool_id") == {"spool_id": 1}
    assert await call(again, "server.spoolman.post_spool_id", spool_id=None) == {"spool_id": None}
    with pytest.raises(Refused):
        await call(again, "server.spoolman.post_spool_id", spool_id=0)


async def test_what_a_print_uses_is_reported_and_its_spool_is_in_its_record(
    klippy: Simulator, start: Start, keeper: Spoolman, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(spoolman=options(keeper))
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=1)
    used = await print_some(bridge, tmp_path)
    assert used > 10
    await until(lambda: keeper.used[1] == pytest.approx(used, abs=2.0))
    last = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] == "completed")
    assert last.json["spool"] == [1]
    (job,) = (await call(bridge, "server.history.list"))["jobs"]
    assert {"provider": "spoolman", "name": "spool_ids"}.items() <= job["auxiliary_data"][0].items()
    await mqtt.message(
        bridge.topics.spool, where=lambda m: m.json["remaining_length"] == round(335_000 - keeper.used[1], 1)
    )


async def test_of_two_spools_in_one_print_each_is_charged_with_its_part(
    klippy: Simulator, start: Start, keeper: Spoolman, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(spoolman={"server": keeper.url, "sync_rate": 3600})  # only a change tells
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=1)
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=200, layers=200)
    await call(bridge, "printer.print.start", filename="a.gcode")
    cache = bridge.bridge.cache

    def pushed() -> float:
        return cache.get("print_stats", "filament_used") or 0.0

    await until(lambda: pushed() > 20)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=2)
    await until(lambda: keeper.used[1] > 10)
    before = keeper.used[1]
    await until(lambda: pushed() > before + 30)
    await call(bridge, "printer.print.cancel")
    last = await mqtt.message(bridge.topics.job_last, where=lambda m: m.json["result"] == "cancelled")
    assert last.json["spool"] == [1, 2]
    await call(bridge, "server.spoolman.post_spool_id", spool_id=None)
    await until(lambda: keeper.used[2] > 10)
    assert keeper.used[1] == before
    assert keeper.used[1] + keeper.used[2] == pytest.approx(last.json["filament_used"], abs=3.0)


async def test_what_is_used_while_spoolman_is_away_is_kept_over_a_restart_of_both(
    klippy: Simulator, start: Start, keeper: Spoolman, mqtt: Ear, tmp_path
) -> None:
    bridge = await start(spoolman=options(keeper))
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=2)
    await keeper.stop()
    used = await print_some(bridge, tmp_path)
    gone = await mqtt.message(
        bridge.topics.event("spoolman_status_changed"),
        where=lambda m: not m.json["data"]["spoolman_connected"],
    )
    assert gone
    status = await call(bridge, "server.spoolman.status")
    assert status["spoolman_connected"] is False
    (report,) = status["pending_reports"]
    assert report["spool_id"] == 2
    assert report["filament_used"] == pytest.approx(used, abs=2.0)
    await bridge.end()
    await keeper.start()
    again = await start(spoolman=options(keeper), instance="spools3")
    await until(lambda: keeper.reports)
    assert keeper.used[2] == pytest.approx(report["filament_used"], abs=0.01)
    assert (await call(again, "server.spoolman.status"))["pending_reports"] == []


async def test_an_error_of_spoolman_s_own_loses_nothing(
    klippy: Simulator, start: Start, keeper: Spoolman, tmp_path
) -> None:
    bridge = await start(spoolman=options(keeper))
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=1)
    keeper.broken = True
    used = await print_some(bridge, tmp_path)
    await until(lambda: not bridge.bridge.surroundings.spools.connected)
    assert keeper.used[1] < used
    keeper.broken = False
    await until(lambda: keeper.used[1] == pytest.approx(used, abs=2.0))


@pytest.mark.parametrize("answer", [b'{"id": 1, "comment": "\xff"}', b'{"id": ' + b"[" * 100_000])
async def test_an_answer_that_is_no_json_hurts_nobody(start: Start, keeper: Spoolman, answer: bytes) -> None:
    bridge = await start(spoolman=options(keeper), wait=False)
    await connected(bridge)
    keeper.raw = answer
    with pytest.raises(Refused, match="is not Spoolman"):
        await call(bridge, "server.spoolman.proxy", request_method="GET", path="/v1/spool/1")
    keeper.raw = b""
    assert (await call(bridge, "server.spoolman.proxy", request_method="GET", path="/v1/spool/1"))["id"] == 1


async def test_a_spool_that_does_not_exist_is_no_longer_in_use(
    klippy: Simulator, start: Start, keeper: Spoolman
) -> None:
    bridge = await start(spoolman=options(keeper))
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=99)
    await until(lambda: bridge.bridge.surroundings.spools.spool_id is None)


async def test_web_uis_reach_spoolman_through_the_bridge(
    klippy: Simulator, start: Start, keeper: Spoolman
) -> None:
    bridge = await start(spoolman=options(keeper))
    await until(lambda: bridge.bridge.surroundings.spools.connected)

    async def proxy(**params: object):
        return await call(bridge, "server.spoolman.proxy", **params)

    first = await proxy(request_method="GET", path="/v1/spool", query="limit=1")
    assert [one["id"] for one in first] == [1]
    found = await proxy(request_method="GET", path="/v1/spool/2", use_v2_response=True)
    assert (found["response"]["id"], found["error"]) == (2, None)
    missing = {"status_code": 404, "message": "No spool with ID 9 found."}
    assert await proxy(request_method="GET", path="/v1/spool/9", use_v2_response=True) == {
        "response": None,
        "error": missing,
    }
    with pytest.raises(Refused, match="No spool with ID 9 found") as caught:
        await proxy(request_method="GET", path="/v1/spool/9")
    assert caught.value.code == 404
    used = await proxy(
        request_method="PUT", path="/v1/spool/2/use", body={"use_length": 5}, use_v2_response=True
    )
    assert used["response"]["used_length"] == 5
    for bad in (
        "/v2/spool",
        "v1/spool",
        "/v1/../../admin",
        "/v1/spool?x=1",
        "/v1/spool/1/%2e%2e",
        "//other/v1/x",
    ):
        with pytest.raises(Refused, match="expected a path of Spoolman's API"):
            await proxy(request_method="GET", path=bad)
    await keeper.stop()
    with pytest.raises(Refused, match="Spoolman cannot be reached") as away:
        await proxy(request_method="GET", path="/v1/spool")
    assert away.value.code == 502


async def test_a_macro_says_which_spool_is_in_use(
    klippy: Simulator, start: Start, keeper: Spoolman, caplog
) -> None:
    bridge = await start(spoolman=options(keeper))
    remote = bridge.bridge.klippy._remotes["spoolman_set_active_spool"]
    remote({"spool_id": 2})
    await until(lambda: bridge.bridge.surroundings.spools.spool_id == 2)
    remote({"spool_id": "two"})
    assert "names no spool" in caplog.text
    remote({})
    await until(lambda: bridge.bridge.surroundings.spools.spool_id is None)


async def test_home_assistant_gets_name_material_and_what_remains(
    klippy: Simulator, start: Start, keeper: Spoolman, mqtt: Ear
) -> None:
    bridge = await start(spoolman=options(keeper))
    found = await entities(bridge, mqtt, "Spool remaining")
    assert found["Spool remaining"]["unit_of_measurement"] == "g"
    assert availability(found["Spool"]) == [bridge.topics.status]
    await connected(bridge)
    await call(bridge, "server.spoolman.post_spool_id", spool_id=1)
    told = (await mqtt.message(bridge.topics.spool, where=lambda m: m.json["name"])).json

    def shown(name: str, payload: object) -> str:
        assert found[name]["state_topic"] == bridge.topics.spool
        return render(found[name]["value_template"], payload)

    assert shown("Spool", told) == "PolyTerra Charcoal"
    assert shown("Spool material", told) == "PLA"
    assert shown("Spool remaining", told) == "1000.0"
    assert shown("Spool remaining length", told) == "335000.0"
    for name in ("Spool", "Spool material", "Spool remaining", "Spool remaining length"):
        assert shown(name, msgspec.to_builtins(Spool(connected=False))) == "None", name


async def test_without_spoolman_its_methods_say_what_to_do(klippy: Simulator, start: Start) -> None:
    bridge = await start()
    for method in ("status", "get_spool_id", "post_spool_id"):
        with pytest.raises(Refused, match=r"Spoolman is not configured; name it as spoolman.server"):
            await call(bridge, f"server.spoolman.{method}")


@pytest.mark.parametrize("server", ["spoolman:7912", "http://[::1", "http://h:99999"])
async def test_an_address_that_is_none_is_told(server: str, start: Start) -> None:
    with pytest.raises(ConfigError, match=r"spoolman.server: expected an address such as http"):
        await start(spoolman={"server": server})
