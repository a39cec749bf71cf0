"""What all kinds of components have in common."""

from dataclasses import dataclass
from typing import Any, Protocol

from bridge.programs import Say

Status = dict[str, Any]


@dataclass(frozen=True)
class Versions:
    """What is there and what could be; None: not known."""

    installed: str | None
    latest: str | None
    link: str | None = None  # where one reads about the latest

    @property
    def differ(self) -> bool:
        """Whether there is something to do."""
        return None not in (self.installed, self.latest) and self.installed != self.latest


class Component(Protocol):
    """Something that is kept up to date."""

    name: str
    services: list[str]  # that are restarted when it is new

    @property
    def versions(self) -> Versions:
        """As they were at the last look."""

    @property
    def status(self) -> Status:
        """As web UIs have it, as of the last look."""

    async def look(self, *, fetch: bool) -> None:
        """See what is there; with `fetch` ask outside what could be. What is wrong is in the status."""

    async def update(self, say: Say) -> bool:
        """Bring it to the latest version, or leave it as it is and raise; whether anything was done."""

    async def rollback(self, say: Say) -> None:
        """Back to the version before the last update."""

    async def recover(self, say: Say, *, hard: bool) -> None:
        """Mend what is broken."""

    async def heal(self) -> None:
        """Undo what was cut short by a crash."""


WHOLE = {"channel_invalid": False, "debug_enabled": False, "need_channel_update": False}
