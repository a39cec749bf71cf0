"""Hostile JSON-RPC at the table of the real bridge, and at its topics and its WebSocket's door."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given

from bridge.access import TRUSTED
from bridge.app import Bridge
from bridge.errors import BridgeError
from bridge.mqtt.connection import Incoming
from bridge.rpc import Access, Door
from tests.fuzz.conftest import Run, bugs
from tests.fuzz.material import HARD, payloads, texts, values
from tests.wire import until

pytestmark = pytest.mark.fuzz
CODES = {-32700, -32600, -32601, -32602, 400, 401, 403, 404, 405, 409, 413, 422, 429, 503, 504, 507, -10000}


class Client:
    """Somebody who may do everything, over a WebSocket or HTTP."""

    user, address, household, trusted, identity = None, "127.0.0.1", "127.0.0.1", True, TRUSTED

    def __init__(self, door: Door) -> None:
        self.door = door

    def allows(self, _access: Access, _method: str) -> BridgeError | None:
        return None

    def notify(self, _method: str, _params: list[Any]) -> None:
        pass

    def become(self, _identity: object) -> None:
        pass


def sane(answer: bytes | None) -> None:
    if answer is None:
        return
    found = json.loads(answer, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
    for part in found if isinstance(found, list) else [found]:
        assert part["jsonrpc"] == "2.0"
        assert ("result" in part) != ("error" in part)
        if "error" in part:
            assert part["error"]["code"] in CODES, part
            assert "Traceback" not in part["error"]["message"]


@pytest.mark.parametrize("door", [Door.WEBSOCKET, Door.HTTP])
def test_the_table_answers_whatever_comes(
    door: Door, running: tuple[Bridge, Run], caplog: pytest.LogCaptureFixture
) -> None:
    bridge, run = running
    client = Client(door)

    async def dispatch(payload: bytes) -> bytes | None:
        with contextlib.suppress(TimeoutError):  # a script may wait for heat
            async with asyncio.timeout(3):
                return await bridge.registry.dispatch(payload, client)
        return None

    @HARD
    @given(payload=payloads())
    def fuzz(payload: bytes) -> None:
        caplog.clear()
        sane(run(dispatch(payload)))
        assert bugs(caplog) == []

    fuzz()


def test_each_method_takes_any_arguments(
    running: tuple[Bridge, Run], caplog: pytest.LogCaptureFixture
) -> None:
    bridge, _run = running

    @HARD
    @given(given_values=values)
    def fuzz(given_values: Any) -> None:
        for method in bridge.registry.methods.values():
            with contextlib.suppress(BridgeError):
                method.schema.bind(given_values if isinstance(given_values, dict | list) else None)
            with contextlib.suppress(BridgeError):
                method.schema.bind(dict.fromkeys(method.schema.params, given_values))

    fuzz()


def test_the_topics_take_whatever_comes(
    running: tuple[Bridge, Run], caplog: pytest.LogCaptureFixture
) -> None:
    bridge, run = running
    topics = bridge.topics

    async def hear(incoming: Incoming, control: Incoming) -> None:
        bridge.inlet.receive(incoming)
        bridge.control_topics.receive(control)
        for _ in range(3):
            await asyncio.sleep(0)

    @HARD
    @given(payload=payloads(), value=payloads(), name=texts, reply=texts)
    def fuzz(payload: bytes, value: bytes, name: str, reply: str) -> None:
        caplog.clear()
        plain = {"retain": False, "qos": 1, "correlation": payload[:20] or None}
        topic = f"{topics.request}/{name}" if len(name) % 2 else topics.request
        run(
            hear(
                Incoming(topic=topic, payload=payload, response_topic=reply or None, **plain),
                Incoming(topic=topics.control(name), payload=value, response_topic=None, **plain),
            )
        )
        assert bugs(caplog) == []

    fuzz()
    run(until(lambda: bridge.inlet.depth < 1500))
