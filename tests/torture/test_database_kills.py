"""A hundred kills in the middle of posts."""

import random

import pytest

from tests.handlers.posting import survive


@pytest.mark.torture
@pytest.mark.timeout(280)
async def test_a_hundred_kills_under_load_lose_nothing_that_was_answered(tmp_path) -> None:
    assert await survive(tmp_path, 100, random.Random()) > 1000
