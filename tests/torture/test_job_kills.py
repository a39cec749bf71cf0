"""A hundred kills in the middle of prints, a queue and posts."""

import random

import pytest

from tests.jobs.killing import Killing


@pytest.mark.torture
@pytest.mark.timeout(280)
async def test_a_hundred_kills_amid_prints_a_queue_and_posts_lose_nothing_that_was_told(tmp_path) -> None:
    killing = Killing(tmp_path, random.Random())
    await killing.survive(100)
    assert killing.queue.answered + killing.poster.answered > 1000
    assert {"interrupted", "completed", "cancelled"} <= set(killing.jobs.values())
