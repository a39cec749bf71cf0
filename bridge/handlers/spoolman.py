"""server.spoolman.*: the spool in use, and the way through to Spoolman for web UIs."""

import logging
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.errors import BadParams, BridgeError, NotFound
from bridge.klippy.state import Klippy
from bridge.lifecycle import Crew
from bridge.rpc import Access, Call, Notice, rpc
from bridge.spoolman.client import Refusal, SpoolmanClient
from bridge.spoolman.spools import Spools

log = logging.getLogger(__name__)

_PATH = re.compile(r"/v1(/[A-Za-z0-9_-]+)+/?")

SpoolId = Annotated[int, Meta(ge=1, description="the number that Spoolman gave it")]


class PendingReport(msgspec.Struct, frozen=True):
    """Filament that Spoolman was not told of."""

    spool_id: int
    filament_used: float  # mm


class SpoolmanStatus(msgspec.Struct, frozen=True):
    """The connection, and what waits for it."""

    spoolman_connected: bool
    pending_reports: list[PendingReport]
    spool_id: int | None


class ActiveSpool(msgspec.Struct, frozen=True):
    """The spool in use."""

    spool_id: int | None


class SpoolmanConnection(msgspec.Struct, frozen=True):
    """Whether Spoolman answers."""

    spoolman_connected: bool


class ProxyAnswer(msgspec.Struct, frozen=True):
    """Spoolman's answer or its refusal; the other is null."""

    response: Any
    error: Refusal | None


class Spoolman:
    """Spoolman beside the printer."""

    def __init__(self, spools: Spools | None, client: SpoolmanClient, klippy: Klippy) -> None:
        self.active: Notice[ActiveSpool] = Notice(
            "notify_active_spool_set", ActiveSpool, "Another spool is in use"
        )
        self.connection: Notice[SpoolmanConnection] = Notice(
            "notify_spoolman_status_changed", SpoolmanConnection, "Spoolman is there, or gone"
        )
        self.components = () if spools is None else ("spoolman",)
        self._found, self._client = spools, client
        self.crew = Crew()
        if spools is not None:
            spools.chosen.connect(lambda spool_id: self.active.emit(ActiveSpool(spool_id)))
            spools.connection.connect(lambda there: self.connection.emit(SpoolmanConnection(there)))
            klippy.offer("spoolman_set_active_spool", self._asked_by_macro)

    @rpc("server.spoolman.status", "GET", access=Access.READ)
    async def status(self, call: Call) -> SpoolmanStatus:
        """Whether Spoolman answers, and the filament that it was not told of yet."""
        spools = self._spools()
        pending = [PendingReport(spool, round(used, 4)) for spool, used in spools.pending.items()]
        return SpoolmanStatus(spools.connected, pending, spools.spool_id)

    @rpc(
        "server.spoolman.get_spool_id",
        "GET",
        path="/server/spoolman/spool_id",
        access=Access.READ,
    )
    async def get_spool_id(self, call: Call) -> ActiveSpool:
        """The spool in use."""
        return ActiveSpool(self._spools().spool_id)

    @rpc(
        "server.spoolman.post_spool_id",
        "POST",
        path="/server/spoolman/spool_id",
        access=Access.CONTROL,
    )
    async def post_spool_id(self, call: Call, *, spool_id: SpoolId | None = None) -> ActiveSpool:
        """Say which spool is in use; null: none that is counted."""
        await self._spools().choose(spool_id)
        return ActiveSpool(self._spools().spool_id)

    @rpc("server.spoolman.proxy", "POST", access=Access.CONTROL)
    async def proxy(
        self,
        call: Call,
        *,
        request_method: Annotated[
            Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Meta(description="the verb")
        ],
        path: Annotated[str, Meta(description="such as /v1/spool")],
        query: Annotated[str, Meta(description="the query string")] | None = None,
        body: Annotated[dict[str, Any], Meta(description="JSON that is sent")] | None = None,
        use_v2_response: Annotated[
            bool, Meta(description="answer with response and error, instead of failing")
        ] = False,
    ) -> Any:
        """Pass a request on to Spoolman; with `use_v2_response` a ProxyAnswer, else its bare answer."""
        if not _PATH.fullmatch(path):
            raise BadParams("Argument 'path': expected a path of Spoolman's API, such as /v1/spool/1")
        if query is not None and (not query.isprintable() or "#" in query):
            raise BadParams("Argument 'query': expected a query string")
        if body is not None and request_method == "GET":
            raise BadParams("Argument 'body': a GET has none")
        answer = await self._client.request(request_method, path, query=query, body=body)
        refusal = answer if isinstance(answer, Refusal) else None
        if use_v2_response:
            return ProxyAnswer(None if refusal else answer, refusal)
        if refusal is not None:
            raise refusal.error()
        return answer

    def _spools(self) -> Spools:

        if self._found is None:
            raise NotFound("Spoolman is not configured; name it as spoolman.server")
        return self._found

    def _asked_by_macro(self, params: dict[str, Any]) -> None:
        """`action_call_remote_method("spoolman_set_active_spool", spool_id=1)`; without an id: none."""
        spool_id = params.get("spool_id")
        if spool_id is not None and (
            isinstance(spool_id, bool) or not isinstance(spool_id, int) or spool_id < 1
        ):
            log.warning("a macro's spoolman_set_active_spool names no spool: %.100s", spool_id)
            return
        self.crew.start(self._choose(spool_id))

    async def _choose(self, spool_id: int | None) -> None:
        try:
            await self._spools().choose(spool_id)
        except BridgeError as error:
            log.warning("the spool that a macro named is not in use: %s", error)
