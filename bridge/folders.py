"""Where the bridge keeps its own things."""

from dataclasses import dataclass
from pathlib import Path

from bridge.errors import ConfigError


@dataclass(frozen=True)
class Folders:
    """Where the bridge keeps its own things, below the configuration's `data`."""

    data: Path

    @property
    def own(self) -> Path:
        """Ids, memory and stores of the bridge."""
        return self.data / "bridge"

    @property
    def logs(self) -> Path:
        """Klipper's logs and ours."""
        return self.data / "logs"

    def make(self) -> None:
        """Create what is missing, or ConfigError."""
        try:
            for folder in (self.own, self.logs, self.data / "gcodes", self.data / "config"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"data: {self.data} cannot be written to: {error.strerror}") from error
