"""The cache: the only owner of what is true, and nothing gets lost on its way there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import KlippyError, TimedOut
from bridge.klippy.link import KlippyLink, StatusUpdate
from bridge.klippy.status import StatusCache, StatusDelta, restrict, union
from tests.klippy.fake_klippy import SILENT, FakeKlippy, Refused, fake_klippy
from tests.wire import until


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


@pytest.fixture
async def cache(fake: FakeKlippy) -> AsyncIterator[StatusCache]:
    link = KlippyLink(fake.path, timeout=0.3)
    await link.connect()
    yield StatusCache(link)
    link.close()


def subscriptions(fake: FakeKlippy) -> list[dict[str, Any]]:
    return [r["params"]["objects"] for r in fake.requests if r["method"] == "objects/subscribe"]


async def test_there_is_one_subscription_that_covers_what_all_want(
    fake: FakeKlippy, cache: StatusCache
) -> None:
    first = await cache.subscribe("a", {"extruder": ["temperature"]})
    assert first == {"extruder": {"temperature": 20.0}}
    await cache.subscribe("b", {"extruder": ["target"], "fan": None})
    assert subscriptions(fake) == [
        {"extruder": ["temperature"]},
        {"extruder": ["temperature", "target"], "fan": None},
    ]
    await cache.subscribe("c", {"extruder": ["target"], "fan": ["speed"]})
    assert len(subscriptions(fake)) == 2  # covered already


async def test_everybody_may_look_through_a_filter_of_their_own(fake: FakeKlippy, cache: StatusCache) -> None:
    await cache.subscribe("a", {"extruder": ["temperature"], "fan": None})
    seen: list[StatusDelta] = []
    cache.changed.connect(seen.append)
    fake.push(extruder={"temperature": 21.0}, fan={"speed": 1.0})
    await until(lambda: seen)
    assert restrict(seen[0].status, {"fan": ["speed"]}) == {"fan": {"speed": 1.0}}
    assert restrict(seen[0].status, {"fan": ["rpm"]}) == {}
    assert restrict(seen[0].status, {"extruder": None}) == {"extruder": {"temperature": 21.0}}


async def test_what_is_equal_to_what_is_known_is_no_change(fake: FakeKlippy, cache: StatusCache) -> None:
    await cache.subscribe("a", {"extruder": None})
    seen: list[StatusDelta] = []
    cache.changed.connect(seen.append)
    fake.push(extruder={"temperature": 20.0})
    fake.push(extruder={"temperature": 20.0, "target": 1.0})
    await until(lambda: seen)
    assert [delta.status for delta in seen] == [{"extruder": {"target": 1.0}}]


async def test_an_update_between_two_subscriptions_is_not_lost(fake: FakeKlippy, cache: StatusCache) -> None:
    """Klippy's frames: the old subscription's update, the new one's answer, the new one's update, at once."""
    await cache.subscribe("a", {"extruder": ["temperature"]})
    seen: list[Any] = []
    cache.changed.connect(lambda delta: seen.append(delta.status))

    def answer(_params: dict[str, Any]) -> bytes:
        old = fake.update({"extruder": {"temperature": 21.0}})
        whole = b'{"id":<id>,"result":{"eventtime":2.0,"status":{"extruder":{"temperature":22.0},"fan":{"speed":0.1}}}}\x03'
        return old + whole + fake.update({"extruder": {"temperature": 23.0}, "fan": {"speed": 0.2}})

    fake.answers["objects/subscribe"] = answer
    await cache.subscribe("b", {"fan": ["speed"]})
    assert [s["extruder"]["temperature"] for s in seen] == [21.0, 22.0, 23.0]
    assert cache.get("extruder", "temperature") == 23.0
    assert cache.get("fan", "speed") == 0.2


async def test_many_subscribe_at_once_while_everything_moves(fake: FakeKlippy, cache: StatusCache) -> None:
    stop = asyncio.Event()

    async def move() -> None:
        number = 0.0
        while not stop.is_set():
            number += 1
            fake.push(
                extruder={"temperature": number}, fan={"speed": number}, toolhead={"homed_axes": str(number)}
            )
            await asyncio.sleep(0.001)

    moving = asyncio.ensure_future(move())
    names = ["extruder", "fan", "toolhead", "print_stats", "pause_resume"]
    await asyncio.gather(*(cache.subscribe(n, {names[n % 5]: None}) for n in range(25)))
    stop.set()
    await moving
    fake.push(extruder={"can_extrude": True})
    await until(lambda: cache.get("extruder", "can_extrude"))
    for name, field in (("extruder", "temperature"), ("fan", "speed"), ("toolhead", "homed_axes")):
        assert cache.get(name, field) == fake.objects[name][field]


async def test_a_subscription_that_fails_is_told_and_can_be_tried_again(
    fake: FakeKlippy, cache: StatusCache
) -> None:
    def refuse(_params: dict[str, Any]) -> Any:
        raise Refused("not now")

    fake.answers["objects/subscribe"] = refuse
    with pytest.raises(KlippyError, match="not now"):
        await cache.subscribe("a", {"fan": None})
    fake.answers["objects/subscribe"] = lambda _params: SILENT
    with pytest.raises(TimedOut):
        await cache.subscribe("a", {"fan": None})
    assert not cache.following
    fake.answers.clear()
    assert (await cache.subscribe("a", {"fan": ["speed"]})) == {"fan": {"speed": 0.0}}


async def test_what_klippy_does_not_have_is_empty_or_null(fake: FakeKlippy, cache: StatusCache) -> None:
    found = await cache.subscribe("a", {"no_such": None, "extruder": ["no_field"]})
    assert found == {"no_such": {}, "extruder": {"no_field": None}}


async def test_when_klippy_is_gone_nothing_is_known(fake: FakeKlippy, cache: StatusCache) -> None:
    await cache.subscribe("a", {"extruder": None})
    cache.clear()
    assert cache.get("extruder", "temperature") is None
    assert cache.snapshot({"extruder": None}) == {"extruder": {}}
    assert not cache.following


WANT = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.lists(st.sampled_from("xyz"), unique=True, max_size=3), max_size=3
)


@given(st.lists(WANT, max_size=4))
def test_the_union_covers_each_want_and_no_more(wants: list[dict[str, Any]]) -> None:
    merged = union(wants)
    for name in "abc":
        mine = [want[name] for want in wants if name in want]
        if not mine:
            assert name not in merged
        elif None in mine:
            assert merged[name] is None
        else:
            assert set(merged[name] or ()) == {field for fields in mine for field in fields}


@given(
    st.lists(
        st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.sampled_from("xy"), st.integers(0, 2))),
        max_size=9,
    )
)
def test_the_deltas_add_up_to_what_is_known(updates: list[dict[str, dict[str, int]]]) -> None:
    link = KlippyLink(Path("nowhere"), timeout=1)
    cache = StatusCache(link)
    added: dict[str, dict[str, int]] = {}
    cache.changed.connect(lambda delta: [added.setdefault(n, {}).update(f) for n, f in delta.status.items()])
    for number, status in enumerate(updates):
        link.updated.emit(StatusUpdate(float(number), status))
    assert {n: f for n, f in cache.snapshot({"a": None, "b": None}).items() if f} == {
        n: f for n, f in added.items() if f
    }
