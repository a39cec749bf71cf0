"""The database of a real process: kills under load, and a restore that restarts."""

import random
import signal

import aiohttp

from tests.handlers.posting import Process, survive
from tests.wire import until


async def test_five_kills_under_load_lose_nothing_that_was_answered(tmp_path) -> None:
    assert await survive(tmp_path, 5, random.Random(11)) > 50


async def test_a_restore_restarts_the_bridge_with_what_was(tmp_path) -> None:
    process = Process(tmp_path)
    item = {"namespace": "n", "key": "k", "value": 1}
    async with process.running(signal.SIGTERM), aiohttp.ClientSession() as session:

        async def call(verb, path, **body):
            async with session.request(verb, f"{process.url}/server/database/{path}", json=body) as response:
                return (await response.json()).get("result")

        await call("POST", "item", **item)
        await call("POST", "backup", filename="b.db")
        await call("DELETE", "item", namespace="n", key="k")
        assert (await call("POST", "restore", filename="b.db"))["restored_namespaces"] == ["n"]
        await until(lambda: process.output.read_text().count("HTTP on") == 2)
        assert await call("GET", "item", namespace="n", key="k") == item
