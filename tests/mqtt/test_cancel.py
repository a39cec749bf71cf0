"""A cancellation that meets a result is not lost: an end in the very moment of connecting is an end."""

import asyncio

import pytest

from bridge.mqtt.connection import Broker, Connection


async def test_a_cancellation_that_meets_the_broker_s_answer_is_a_cancellation() -> None:
    connection = Connection(
        Broker("127.0.0.1", 1, None, None, "test", 30, None), None, version5=True, receive=lambda _: None
    )
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(connection._wait_for(answer, None))
    await asyncio.sleep(0)
    answer.set_result(None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
