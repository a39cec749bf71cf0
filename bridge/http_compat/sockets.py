"""WebSocket clients and the table of them: who they are, what they are told, whether they live."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from bridge.access import Identity
from bridge.clients import SocketClient
from bridge.errors import BridgeError, Conflict, NotFound, TimedOut
from bridge.http_compat.fanout import Fanout
from bridge.http_compat.guard import Visitor
from bridge.http_compat.pipe import PING, Limits, Pipe, Status, text_frame
from bridge.http_compat.questions import Questions
from bridge.klippy.state import KlippyInfo, KlippyState
from bridge.klippy.status import StatusCache, Want
from bridge.rpc import Access, Client, Door, Notification, Registry, encode, encode_notification, printable
from bridge.signals import Signal

AGENT = "agent"  # the kind of client that others may ask something of


class Socket:
    """The far end of one WebSocket."""

    door = Door.WEBSOCKET

    def __init__(
        self,
        connection_id: int,
        pipe: Pipe,
        fanout: Fanout,
        visitor: Visitor,
        claim: Callable[["Socket", str], None],
        met: Callable[["Socket"], None],
    ) -> None:
        self.id = connection_id
        self.name = self.version = self.kind = self.url = ""
        self.heard = True  # anything since the last look
        self.asked = False  # pinged, and not heard of since
        self.pipe = pipe
        self.questions = Questions(pipe.send)
        self._claim = claim  # raises Conflict when another agent has that name
        self._met = met
        self._gone = False
        self._fanout, self._visitor = fanout, visitor
        self.become(visitor.identity)

    @property
    def user(self) -> str | None:
        """Who is calling, when that is known."""
        return self.identity.user

    @property
    def address(self) -> str:
        """The address that counts."""
        return self._visitor.address

    @property
    def household(self) -> str:
        """By what its failed logins are counted."""
        return self._visitor.household

    @property
    def trusted(self) -> bool:
        """Whether its address alone lets it in."""
        return self._visitor.trusted

    def allows(self, access: Access, method: str) -> BridgeError | None:
        """None when the client may call `method`, else the refusal."""
        return self.identity.refuse(access, method)

    async def identify(
        self,
        *,
        name: str,
        version: str,
        kind: str,
        url: str,
        api_key: str | None,
        access_token: str | None = None,
    ) -> None:
        """Note who it says it is, and let a right key or token open what was closed; else Unauthorized."""
        identity = self.identity
        if api_key or access_token:
            proven = self._visitor.proven(api_key=api_key, access_token=access_token)
            if proven.session or not identity.known:  # what it has proven before is not lost by a mistake
                identity = proven
            await self._visitor.slow(proven)
        if refusal := (
            None if identity.known else identity.refuse(Access.READ, "server.connection.identify")
        ):
            raise refusal
        if kind == AGENT:
            self._claim(self, name)
        self.name, self.version, self.kind, self.url = name, version, kind, url
        self.become(identity)
        if not self._gone:
            self._met(self)

    def become(self, identity: Identity) -> None:
        """Be that one from now on."""
        self.identity = identity
        self.hears = Access.READ in identity.allowed  # notifications tell what only readers may know
        if not self.hears:
            self._fanout.leave(self)

    def review(self) -> None:
        """Some key, token or user is worthless now; perhaps what it has proven."""
        identity = self._visitor.reviewed(self.identity)
        if identity != self.identity:
            self.become(identity)

    async def subscribe(self, want: Want) -> Status:
        """Replace its subscription and return the status it begins with; an empty `want` cancels it."""
        if self._gone:
            raise NotFound("That WebSocket has closed")
        status = await self._fanout.subscribe(self, want)
        self.pipe.forget_status()  # what was late is in the answer
        return status

    def notify(self, method: str, params: list[Any]) -> None:
        """Send it a notification."""
        self.pipe.send(text_frame(encode_notification(method, params)))

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Call a method of its own that it has offered, without asking for an answer."""
        self.pipe.send(text_frame(encode({"jsonrpc": "2.0", "method": method, "params": params})))

    async def ask(self, method: str, params: Any, timeout: float) -> Any:
        """Call a method of its own, and wait for the answer."""
        if self._gone:
            raise TimedOut(f"'{self.name}' has gone")
        return await self.questions.ask(self.name, method, params, timeout)

    def send_status(self, frame: bytes, status: Status, eventtime: float) -> None:
        """Send it a status update, or the newest one when it can take it."""
        self.pipe.send_status(frame, status, eventtime)

    def leave(self) -> None:
        """It is gone."""
        self._gone = True
        self.questions.leave(self.name)
        self.pipe.close()
        self._fanout.leave(self)


class Sockets:
    """All WebSocket clients there are now."""

    def __init__(
        self,
        registry: Registry,
        cache: StatusCache,
        klippy_changed: Signal[KlippyInfo],
        limits: Limits | None = None,
    ) -> None:
        self.met: Signal[SocketClient] = Signal("WebSocket introduced")
        self.left: Signal[SocketClient] = Signal("WebSocket closed")
        self.limits = limits or Limits()
        self._sockets: dict[int, Socket] = {}
        self._fanout = Fanout(cache)
        registry.noticed.connect(self._tell)
        klippy_changed.connect(self._follow)

    @property
    def count(self) -> int:
        """How many."""
        return len(self._sockets)

    def find(self, connection_id: int) -> SocketClient:
        """The client with that id, or NotFound."""
        socket = self._sockets.get(connection_id)
        if socket is None:
            raise NotFound(f"No WebSocket has the connection id {connection_id}")
        return socket

    def of(self, client: Client) -> SocketClient | None:
        """The same client as a SocketClient when it came in by WebSocket."""
        return client if isinstance(client, Socket) else None

    def join(self, pipe: Pipe, visitor: Visitor) -> Socket:
        """A new client, with an id of its own."""
        connection_id = random.getrandbits(31) or 1  # a name, not a secret
        while connection_id in self._sockets:
            connection_id = random.getrandbits(31) or 1
        socket = self._sockets[connection_id] = Socket(
            connection_id, pipe, self._fanout, visitor, self._claim, self.met.emit
        )
        return socket

    def leave(self, socket: Socket) -> None:
        """That client is gone."""
        self._sockets.pop(socket.id, None)
        socket.leave()
        self.left.emit(socket)

    def review(self) -> None:
        """Who may do what has changed: look at each client anew."""
        for socket in tuple(self._sockets.values()):
            socket.review()

    async def watch(self) -> None:
        """Ask silent clients whether they live, and end those that do not answer; for ever."""
        while True:
            await asyncio.sleep(self.limits.silence)
            for socket in tuple(self._sockets.values()):
                self._look_after(socket)

    def _look_after(self, socket: Socket) -> None:
        if not socket.heard and socket.asked:
            socket.pipe.cut("it has gone silent")
        elif not socket.heard:
            socket.asked = True
            socket.pipe.send(PING)
        else:
            socket.heard = socket.asked = False

    def _claim(self, claimant: Socket, name: str) -> None:
        for socket in self._sockets.values():
            if socket is not claimant and socket.kind == AGENT and socket.name == name:
                raise Conflict(f"An agent of the name '{printable(name)}' is connected already")

    def _tell(self, notification: Notification) -> None:
        """A notification to everybody, encoded once."""
        if not self._sockets:
            return
        frame = text_frame(encode_notification(notification.method, notification.params))
        for socket in self._sockets.values():
            if socket.hears:
                socket.pipe.send(frame)

    def _follow(self, info: KlippyInfo) -> None:
        if info.state is KlippyState.DISCONNECTED:
            self._fanout.clear()
