from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http_compat.house import House, house


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[House]:
    """The door with its defaults: this machine is trusted."""
    async with house(tmp_path) as one:
        yield one
