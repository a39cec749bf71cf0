import asyncio
import inspect
import logging
from collections.abc import AsyncIterator

import pytest

from bridge.lifecycle import Crew, Nagger


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    """A crew at work."""
    working = Crew()
    owner = asyncio.create_task(working.run())
    await asyncio.sleep(0)
    yield working
    owner.cancel()
    await asyncio.gather(owner, return_exceptions=True)


async def _task_of(crew: Crew) -> asyncio.Task[None] | None:
    """The task that a piece of work runs in."""
    told: asyncio.Future[asyncio.Task[None] | None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        told.set_result(asyncio.current_task())

    assert crew.start(work())
    return await told


async def test_a_member_stays_for_the_next_work(crew: Crew) -> None:
    first = await _task_of(crew)
    await asyncio.sleep(0)
    assert await _task_of(crew) is first


async def test_work_that_waits_holds_up_no_other(crew: Crew) -> None:
    gate = asyncio.Event()

    async def waits() -> None:
        await gate.wait()

    assert crew.start(waits())
    assert await _task_of(crew) is not None
    gate.set()


async def test_a_failure_of_one_ends_the_crew_also_after_other_work() -> None:
    crew = Crew()
    owner = asyncio.create_task(crew.run())
    await asyncio.sleep(0)
    await _task_of(crew)
    await asyncio.sleep(0)

    async def fails() -> None:
        raise ValueError("a bug")

    assert crew.start(fails())
    with pytest.raises(ExceptionGroup) as caught:
        await owner
    assert caught.group_contains(ValueError, match="a bug")


@pytest.mark.parametrize("first", [True, False])
async def test_nothing_begins_behind_a_failure(*, first: bool) -> None:
    crew, gate = Crew(), asyncio.Event()

    async def fails() -> None:
        await gate.wait()
        raise ValueError("a bug")

    if first:
        crew.begin_with(fails())
    owner = asyncio.create_task(crew.run())
    await asyncio.sleep(0)
    assert first or crew.start(fails())
    gate.set()
    for _ in range(10):  # each turn in which the failure goes its way
        crew.start(asyncio.sleep(0))
        await asyncio.sleep(0)
    assert not crew.start(asyncio.sleep(0))
    with pytest.raises(ExceptionGroup) as caught:
        await owner
    assert caught.group_contains(ValueError, match="a bug")


async def test_nothing_begins_before_the_crew_runs_or_behind_its_end() -> None:
    crew, began = Crew(), []

    async def work() -> None:
        began.append(True)

    assert not crew.start(work())
    owner = asyncio.create_task(crew.run())
    await asyncio.sleep(0)
    owner.cancel()
    await asyncio.gather(owner, return_exceptions=True)
    assert not crew.start(work())
    assert began == []


async def test_work_handed_to_a_member_in_the_moment_of_its_end_is_dropped_without_a_trace(
    crew: Crew,
) -> None:
    member, began = await _task_of(crew), []
    await asyncio.sleep(0)

    async def work() -> None:
        began.append(True)

    assert member is not None
    assert crew.start(work())
    member.cancel()  # it has the work, and has not looked yet
    await asyncio.gather(member, return_exceptions=True)
    assert began == []
    assert await _task_of(crew) is not member


async def test_nothing_begins_while_the_last_ones_end() -> None:
    crew, began, refused = Crew(), [], []

    async def work() -> None:
        began.append(True)

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            refused.append(not crew.start(work()))

    owner = asyncio.create_task(crew.run())
    await asyncio.sleep(0)
    assert crew.start(last())
    await asyncio.sleep(0)
    owner.cancel()
    await asyncio.gather(owner, return_exceptions=True)
    assert (began, refused) == ([], [True])


def test_one_fault_is_told_at_once_and_then_every_five_minutes(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    nagger = Nagger(logging.getLogger("test"), clock=lambda: now)

    def said(text: str) -> int:
        before = len(caplog.messages)
        nagger.warn(text)
        return len(caplog.messages) - before

    assert said("no broker") == 1
    for now in (1.0, 150.0, 299.0):  # noqa: B007 - the clock
        assert said("no broker") == 0
    now = 300.0
    assert said("no broker") == 1
    now = 599.0
    assert said("no broker") == 0
    assert said("wrong password") == 1  # another fault is news
    nagger.reset()
    assert said("wrong password") == 1  # so is one that had gone


async def test_work_that_is_cancelled_before_its_first_step_is_closed() -> None:
    crew = Crew()
    owner = asyncio.create_task(crew.run())
    await asyncio.sleep(0)
    work = asyncio.sleep(0)
    owner.cancel()
    assert crew.start(work)
    await asyncio.gather(owner, return_exceptions=True)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED
