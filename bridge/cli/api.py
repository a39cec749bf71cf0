"""`klipper-bridge api`: the descriptions of the API, written in one step."""

from pathlib import Path

from bridge import __version__
from bridge.app import describe_registry
from bridge.describe.export import export


async def run(folder: Path) -> int:
    """Write docs/ and config/bridge.schema.json below `folder`."""
    for path, content in export(describe_registry(), __version__).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        print(target)
    return 0
