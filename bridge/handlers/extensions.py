"""server.extensions.* and connection.*: agents, and what they offer to macros and to other clients."""

import logging
import re
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.clients import SocketClient, SocketTable
from bridge.config.extensions import Extensions as Settings
from bridge.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from bridge.klippy.state import Klippy
from bridge.rpc import SOCKET_ONLY, Access, Call, Notice, encode, printable, rpc

log = logging.getLogger(__name__)

AGENT = "agent"
OWN = ("connected", "disconnected")  # events that the bridge itself tells
MOST_METHODS = 64  # remote methods of one agent
MOST_DATA = 65_536  # bytes of one event
METHOD_NAME = re.compile(r"[A-Za-z_][\w.\-]{0,63}", re.ASCII)


class Agent(msgspec.Struct, frozen=True):
    """A program that extends the bridge."""

    name: str
    version: str
    type: str
    url: str


class Agents(msgspec.Struct, frozen=True):
    """All agents there are now."""

    agents: list[Agent]


class AgentEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something an agent tells, or that it came (`connected`) or went (`disconnected`)."""

    agent: str
    event: str
    data: Any = msgspec.UNSET


class Extensions:
    """Agents over WebSocket."""

    components = ("extensions",)

    def __init__(self, sockets: SocketTable, klippy: Klippy, settings: Settings) -> None:
        self.told: Notice[AgentEvent] = Notice(
            "notify_agent_event", AgentEvent, "An agent came, went, or has something to tell"
        )
        self._sockets, self._klippy, self._settings = sockets, klippy, settings
        self._agents: dict[str, SocketClient] = {}
        self._methods: dict[str, set[str]] = {}  # remote methods by the agent's name
        sockets.met.connect(self._met)
        sockets.left.connect(self._left)

    @rpc("server.extensions.list", "GET", access=Access.READ)
    async def listing(self, call: Call) -> Agents:
        """The agents that are connected."""
        return Agents([_agent(client) for client in self._agents.values()])

    @rpc("server.extensions.request", "POST", access=Access.CONTROL)
    async def request(
        self,
        call: Call,
        *,
        agent: Annotated[str, Meta(description="its name")],
        method: Annotated[str, Meta(min_length=1, max_length=200, description="a method of its own")],
        arguments: Annotated[list[Any] | dict[str, Any], Meta(description="what it is given")] | None = None,
    ) -> Any:
        """Call a method of an agent; the answer is the agent's. One that is lost answers with 504."""
        client = self._agents.get(agent)
        if client is None:
            raise NotFound(f"No agent of the name '{printable(agent)}' is connected")
        return await client.ask(method, arguments, self._settings.timeout)

    @rpc(
        "connection.register_remote_method",
        access=Access.CONTROL,
        doors=SOCKET_ONLY,
        elsewhere="agents connect by WebSocket",
    )
    async def register_remote_method(
        self, call: Call, *, method_name: Annotated[str, Meta(description="as macros call it")]
    ) -> Literal["ok"]:
        """Let macros call a method of this agent with action_call_remote_method."""
        client = self._agent_of(call)
        if METHOD_NAME.fullmatch(method_name) is None:
            raise BadRequest("A remote method has a name of letters, digits, dots and _, at most 64")
        mine = self._methods.setdefault(client.name, set())
        if method_name not in mine and self._klippy.offers(method_name):
            raise Conflict(f"The remote method '{method_name}' is registered already")
        if len(mine) >= MOST_METHODS:
            raise BadRequest(f"An agent registers at most {MOST_METHODS} remote methods")
        mine.add(method_name)
        self._klippy.offer(method_name, partial(client.tell, method_name))
        return "ok"

    @rpc(
        "connection.send_event",
        access=Access.CONTROL,
        doors=SOCKET_ONLY,
        elsewhere="agents connect by WebSocket",
    )
    async def send_event(
        self,
        call: Call,
        *,
        event: Annotated[str, Meta(min_length=1, max_length=100, description="what happened")],
        data: Annotated[Any, Meta(description="more about it")] = None,
    ) -> Literal["ok"]:
        """Tell every client something, as notify_agent_event."""
        client = self._agent_of(call)
        if event in OWN:
            raise BadRequest(f"'{event}' is an event that the bridge tells")
        if len(encode(data)) > MOST_DATA:
            raise TooLarge(f"An event carries at most {MOST_DATA} bytes of JSON")
        self.told.emit(AgentEvent(client.name, event, msgspec.UNSET if data is None else data))
        return "ok"

    def _agent_of(self, call: Call) -> SocketClient:
        client = self._sockets.of(call.client)
        if client is None or self._agents.get(client.name) is not client:
            raise Forbidden('Only agents may do that; identify as type "agent" first')
        return client

    def _met(self, client: SocketClient) -> None:
        known = next((name for name, one in self._agents.items() if one is client), None)
        if client.kind == AGENT and known == client.name:
            return
        if known is not None:
            self._forget(known)
        if client.kind == AGENT:
            self._agents[client.name] = client
            log.info("agent %s %s has come", printable(client.name), printable(client.version))
            self.told.emit(AgentEvent(client.name, "connected", _agent(client)))

    def _left(self, client: SocketClient) -> None:
        if self._agents.get(client.name) is client:
            self._forget(client.name)

    def _forget(self, name: str) -> None:
        del self._agents[name]
        for method in self._methods.pop(name, ()):
            self._klippy.withdraw(method)
        log.info("agent %s has gone", printable(name))
        self.told.emit(AgentEvent(name, "disconnected"))


def _agent(client: SocketClient) -> Agent:
    return Agent(client.name, client.version, client.kind, client.url)
