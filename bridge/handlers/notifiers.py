"""server.notifiers.list: who is told what happens to a print."""

from collections.abc import Mapping

import msgspec

from bridge.notifiers.notifier import Notifier
from bridge.rpc import Access, Call, rpc


class NotifierStatus(msgspec.Struct, frozen=True):
    """One notifier; of its address the service alone."""

    name: str
    url: str
    events: list[str]
    body: str | None
    title: str | None
    attach: str | None


class NotifierList(msgspec.Struct, frozen=True):
    """All notifiers."""

    notifiers: list[NotifierStatus]


class Notifiers:
    """Messages to people."""

    def __init__(self, notifiers: Mapping[str, Notifier]) -> None:
        self.components = ("notifier",) if notifiers else ()
        self._notifiers = notifiers

    @rpc("server.notifiers.list", "GET", access=Access.READ)
    async def listing(self, call: Call) -> NotifierList:
        """Every notifier of the configuration."""
        return NotifierList([_shown(one) for one in self._notifiers.values()])


def _shown(one: Notifier) -> NotifierStatus:
    settings = one.settings
    service = settings.url.partition("://")[0]
    return NotifierStatus(
        one.name,
        f"{service}://***",
        list(settings.events),
        settings.body,
        settings.title,
        settings.attach,
    )
