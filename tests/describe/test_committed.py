"""The descriptions in the repository are those of the code; `klipper-bridge api` writes them anew."""

from pathlib import Path

import pytest

from bridge import __version__
from bridge.app import describe_registry
from bridge.describe.export import export

ROOT = Path(__file__).parent.parent.parent
FILES = (
    "docs/openrpc.json",
    "docs/openapi.json",
    "docs/asyncapi.json",
    "docs/api.md",
    "config/bridge.schema.json",
)


@pytest.fixture(scope="module")
def exported() -> dict[str, bytes]:
    return {str(path): content for path, content in export(describe_registry(), __version__).items()}


def test_these_are_the_files(exported: dict[str, bytes]) -> None:
    assert set(exported) == set(FILES)


@pytest.mark.parametrize("path", FILES)
def test_what_is_committed_is_what_the_code_says(path: str, exported: dict[str, bytes]) -> None:
    assert (ROOT / path).exists(), "run `klipper-bridge api`"
    assert (ROOT / path).read_bytes() == exported[path], "run `klipper-bridge api`"


def test_the_export_is_the_same_each_time(exported: dict[str, bytes]) -> None:
    again = export(describe_registry(), __version__)
    assert {str(path): content for path, content in again.items()} == exported
