"""The socket: whatever comes out of it, the bridge lives and the right asker gets the right answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import Busy, KlippyError, KlippyUnavailable, TimedOut
from bridge.klippy import link as link_module
from bridge.klippy.frames import FrameSplitter, FrameTooLong, encode
from bridge.klippy.link import KlippyLink, StatusUpdate
from tests.klippy.fake_klippy import SILENT, FakeKlippy, fake_klippy
from tests.wire import until

ODD = {
    "no JSON": b"{nonsense\x03",
    "no UTF-8": b'{"id":1,"result":{"a":"\xff"}}\x03',
    "an array": b"[1,2]\x03",
    "a number": b"7\x03",
    "nothing": b"\x03\x03 \x03",
    "half a surrogate": b'{"method":"status_update","params":{"eventtime":1.0,"status":{"a":{"b":"\\ud800"}}}}\x03',
    "too deep": b'{"method":"status_update","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}\x03",
    "a number beyond floats": b'{"method":"status_update","params":{"eventtime":1e999,"status":{}}}\x03',
    "a huge integer": b'{"method":"status_update","params":{"eventtime":'
    + b"9" * 500
    + b',"status":{}}}\x03',
    "an id nobody knows": b'{"id":99999,"result":{}}\x03',
    "an id of another kind": b'{"id":{"a":1},"result":{}}\x03',
    "params that are a list": b'{"method":"status_update","params":[1]}\x03',
    "no params": b'{"method":"status_update"}\x03',
    "a status that is a text": b'{"method":"status_update","params":{"eventtime":"x","status":"y"}}\x03',
    "output that is a number": b'{"method":"gcode_output","params":{"response":7}}\x03',
    "a method that is a number": b'{"method":7,"params":{}}\x03',
}


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeKlippy]:
    async with fake_klippy(tmp_path) as one:
        yield one


@pytest.fixture
async def link(fake: FakeKlippy) -> AsyncIterator[KlippyLink]:
    one = KlippyLink(fake.path, timeout=0.2)
    await one.connect()
    yield one
    one.close()


async def test_answers_come_out_of_order_and_find_their_askers(fake: FakeKlippy, link: KlippyLink) -> None:
    fake.answers["gcode/script"] = lambda _params: SILENT
    slow = asyncio.ensure_future(link.request("gcode/script", {"script": "G28"}, unlimited=True))
    quick = await asyncio.gather(
        *(link.fetch("objects/query", {"objects": {"fan": ["speed"]}}) for _ in range(20))
    )
    assert all(answer["status"] == {"fan": {"speed": 0.0}} for answer in quick)
    assert not slow.done()
    script = next(r for r in fake.requests if r["method"] == "gcode/script")
    fake.send(encode({"id": script["id"], "result": {"done": True}}))
    assert msgspec.json.decode(await slow) == {"done": True}


async def test_silence_ends_in_a_time_out_and_a_late_answer_hurts_nobody(
    fake: FakeKlippy, link: KlippyLink
) -> None:
    fake.answers["info"] = lambda _params: SILENT
    with pytest.raises(TimedOut, match=r"'info' within 0\.2 s"):
        await link.request("info")
    fake.send(encode({"id": fake.requests[-1]["id"], "result": {"late": True}}))
    assert (await link.fetch("objects/list"))["objects"]


async def test_a_script_may_take_longer_than_any_time_out(fake: FakeKlippy, link: KlippyLink) -> None:
    fake.answers["gcode/script"] = lambda _params: SILENT
    script = asyncio.ensure_future(link.request("gcode/script", unlimited=True))
    fake.answers["info"] = lambda _params: SILENT
    with pytest.raises(TimedOut):
        await link.request("info")
    assert not script.done()
    fake.drop()
    with pytest.raises(KlippyUnavailable, match="lost"):
        await script


async def test_without_a_connection_the_answer_is_there_at_once(tmp_path: Path) -> None:
    lonely = KlippyLink(tmp_path / "none.sock", timeout=10)
    began = time.monotonic()
    with pytest.raises(KlippyUnavailable) as caught:
        await lonely.request("info")
    assert caught.value.status == 503
    assert time.monotonic() - began < 1  # of ten
    with pytest.raises(FileNotFoundError):
        await lonely.connect()


async def test_a_loss_fails_all_that_wait_and_is_told_once(fake: FakeKlippy, link: KlippyLink) -> None:
    fake.answers["gcode/script"] = lambda _params: SILENT
    told: list[str] = []
    link.lost.connect(told.append)
    waiting = [asyncio.ensure_future(link.request("gcode/script", unlimited=True)) for _ in range(50)]
    await until(lambda: len(fake.requests) == 50)
    fake.drop()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {KlippyUnavailable}
    assert len(told) == 1
    link.close()
    assert len(told) == 1


async def test_klippy_s_errors_keep_their_whole_text(fake: FakeKlippy, link: KlippyLink) -> None:
    for error, text in (
        ({"error": "WebRequestError", "message": "one\ntwo"}, "one\ntwo"),
        ("plain text", "plain text"),
        ({"message": ""}, "without a message"),
        ({"message": 7}, "without a message"),
        ([1], "without a message"),
    ):
        answer = encode({"error": error})[:-2] + b',"id":<id>}\x03'
        fake.answers["info"] = lambda _params, answer=answer: answer
        with pytest.raises(KlippyError, match=text):
            await link.request("info")


async def test_too_many_requests_are_refused(
    fake: FakeKlippy, link: KlippyLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["gcode/script"] = lambda _params: SILENT
    for _ in range(link_module.MAX_PENDING):
        link.send("gcode/script", {}, lambda _outcome: None)
    with pytest.raises(Busy):
        await link.request("info")


async def test_five_megabytes_come_and_go(fake: FakeKlippy, link: KlippyLink) -> None:
    fake.objects["configfile"] = {"config": {"long": "x" * 5_000_000}}
    link.timeout = 5
    found = await link.fetch("objects/query", {"objects": {"configfile": None}})
    assert len(found["status"]["configfile"]["config"]["long"]) == 5_000_000
    await link.request("gcode/script", {"script": "M117 " + "y" * 5_000_000}, unlimited=True)
    assert len(fake.scripts[-1]) == 5_000_005


@pytest.mark.parametrize("what", list(ODD))
async def test_what_is_odd_is_dropped_and_the_link_lives(
    what: str, fake: FakeKlippy, link: KlippyLink, caplog: pytest.LogCaptureFixture
) -> None:
    updates: list[StatusUpdate] = []
    link.updated.connect(updates.append)
    fake.send(ODD[what])
    fake.send(fake.update({"extruder": {"temperature": 20.5}}))
    await until(lambda: any(update.status for update in updates))
    assert updates[-1].status == {"extruder": {"temperature": 20.5}}
    assert link.connected
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("answer", [b'"\\ud800"', b"1e999", b"[1]", b"null", b'"text"', b"{}", b'{"a":NaN}'])
async def test_an_odd_result_is_an_empty_one(answer: bytes, fake: FakeKlippy, link: KlippyLink) -> None:
    fake.answers["info"] = lambda _params: b'{"id":<id>,"result":' + answer + b"}\x03"
    if answer == b'"\\ud800"':
        with pytest.raises(TimedOut):  # the whole frame cannot be read, not even its id
            await link.fetch("info")
    else:
        assert await link.fetch("info") in ({}, {"a": None})
    assert link.connected


async def test_old_klippers_nan_is_null(fake: FakeKlippy, link: KlippyLink) -> None:
    updates: list[StatusUpdate] = []
    link.updated.connect(updates.append)
    fake.send(
        b'{"method":"status_update","params":{"eventtime":1.5,"status":{"a":{"b":NaN,"c":-Infinity,"d":1}}}}\x03'
    )
    await until(lambda: updates)
    assert updates[0] == StatusUpdate(1.5, {"a": {"b": None, "c": None, "d": 1}})


async def test_frames_arrive_in_pieces_and_in_bundles(fake: FakeKlippy, link: KlippyLink) -> None:
    updates: list[StatusUpdate] = []
    link.updated.connect(updates.append)
    stream = b"".join(fake.update({"fan": {"speed": n / 100}}) for n in range(100))
    for start in range(0, len(stream), 37):
        fake.send(stream[start : start + 37])
        await asyncio.sleep(0)
    await until(lambda: len(updates) == 100)
    assert [update.status["fan"]["speed"] for update in updates] == [n / 100 for n in range(100)]


@given(st.lists(st.binary(max_size=60)), st.data())
def test_frames_are_the_same_however_they_are_cut(parts: list[bytes], data: st.DataObject) -> None:
    frames = [part.replace(b"\x03", b"") for part in parts]
    stream = b"".join(frame + b"\x03" for frame in frames)
    splitter, found = FrameSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == [frame for frame in frames if frame.strip()]


def test_a_frame_without_an_end_is_no_klippy_s() -> None:
    splitter = FrameSplitter(limit=1000)
    splitter.feed(b"x" * 900)
    with pytest.raises(FrameTooLong):
        splitter.feed(b"x" * 200)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(
        st.binary(max_size=200)
        | st.fixed_dictionaries(
            {},
            optional={
                "id": JSON,
                "method": st.sampled_from(["status_update", "gcode_output", "remote/x", "x"]) | JSON,
                "params": st.fixed_dictionaries(
                    {}, optional={"eventtime": JSON, "status": JSON, "response": JSON}
                )
                | JSON,
                "result": JSON,
                "error": JSON,
            },
        ).map(lambda message: msgspec.json.encode(_sane(message))),
        max_size=6,
    )
)
def test_no_frame_at_all_raises_anything(frames: list[bytes]) -> None:
    one = KlippyLink(Path("nowhere"), timeout=1)
    for frame in frames:
        one._receive(frame.replace(b"\x03", b""))
    assert not one.connected


def _sane(value: Any) -> Any:
    """Without what JSON cannot hold: integers beyond 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-(2**63), min(value, 2**63))
    if isinstance(value, dict):
        return {key: _sane(item) for key, item in value.items()}
    return [_sane(item) for item in value] if isinstance(value, list) else value
