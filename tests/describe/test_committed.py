"""The descriptions in the repository are those of the code; `klipper-bridge api` writes them anew."""

from pathlib import Path

import pytest

from bridge import __version__
from bridge.app import describe_registry
from bridge.describe.export import export

ROOT = Path(__file__).parent.parent.parent
EXPORTED = export(describe_registry(), __version__)


@pytest.mark.parametrize("path", [str(path) for path in EXPORTED])
def test_what_is_committed_is_what_the_code_says(path: str) -> None:
    committed = ROOT / path
    assert committed.exists(), "run `klipper-bridge api`"
    assert committed.read_bytes() == EXPORTED[Path(path)], "run `klipper-bridge api`"


def test_the_export_is_the_same_each_time() -> None:
    assert export(describe_registry(), __version__) == EXPORTED
