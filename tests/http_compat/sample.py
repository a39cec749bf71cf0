"""A small capability of every kind that the HTTP door has to do with."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec

from bridge.clients import SocketTable
from bridge.errors import BadParams, Conflict, KlippyError, NotFound, TimedOut
from bridge.klippy.commands import Commands
from bridge.klippy.status import StatusCache
from bridge.rpc import SOCKET_ONLY, Access, Call, Door, Lane, Method, Notice, rpc
from bridge.schema import Open

ERRORS = {
    "params": BadParams("Missing argument 'x'"),
    "klippy": KlippyError("Must home axis first"),
    "missing": NotFound("no such job"),
    "conflict": Conflict("printing"),
    "late": TimedOut("no answer"),
}
Objects = Annotated[dict[str, list[str] | None], Open()]


class Sample:
    def __init__(self, sockets: SocketTable, cache: StatusCache, commands: Commands) -> None:
        self.changed: Notice[dict[str, Any]] = Notice("notify_sample_changed", dict[str, Any], "It changed")
        self.ended: Notice[None] = Notice("notify_sample_ended", None, "It ended")
        self.finished: list[str] = []
        self.gate = asyncio.Event()
        self._sockets, self._cache, self._commands = sockets, cache, commands

    @rpc("sample.echo", "GET", "POST", access=Access.READ)
    async def echo(
        self,
        _call: Call,
        *,
        text: str = "",
        count: int | None = None,
        ratio: float | None = None,
        enabled: bool | None = None,
        value: Any = None,
        names: list[str] = [],  # noqa: B006 - the schema's default
    ) -> dict[str, Any]:
        """What came in."""
        given = {
            "text": text,
            "count": count,
            "ratio": ratio,
            "enabled": enabled,
            "value": value,
            "names": names,
        }
        return {name: item for name, item in given.items() if item not in (None, "", [])}

    @rpc("sample.get_item", "GET", path="/sample/item", access=Access.READ)
    async def get_item(self, _call: Call, *, key: str) -> dict[str, str]:
        """One."""
        return {"verb": "get", "key": key}

    @rpc("sample.post_item", "POST", path="/sample/item", access=Access.CONTROL)
    async def post_item(self, _call: Call, *, key: str) -> dict[str, str]:
        """Set one."""
        return {"verb": "post", "key": key}

    @rpc("sample.delete_item", "DELETE", path="/sample/item", access=Access.CONTROL)
    async def delete_item(self, _call: Call, *, key: str) -> dict[str, str]:
        """Remove one."""
        return {"verb": "delete", "key": key}

    @rpc("sample.raw", "GET", access=Access.READ)
    async def raw(self, _call: Call) -> msgspec.Raw:
        """JSON as it is."""
        return msgspec.Raw(b'{"a":[1,2],"spliced": true}')

    @rpc("sample.odd", "GET", access=Access.READ)
    async def odd(self, _call: Call) -> dict[str, Any]:
        """Values that JSON has not."""
        return {"nan": float("nan"), "name": "a\udcffb"}

    @rpc("sample.fail", "GET", access=Access.READ)
    async def fail(self, _call: Call, *, kind: str) -> None:
        """Fails."""
        if kind == "bug":
            raise RuntimeError("secret /home/pi/bridge.py")
        raise ERRORS[kind]

    @rpc("sample.unwritable", "GET", access=Access.READ)
    async def unwritable(self, _call: Call) -> Any:
        """A bug: what no JSON can hold."""
        return {"door": object()}

    @rpc("sample.wait", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def wait(self, _call: Call, *, name: str = "") -> str:
        """Takes until the gate opens."""
        await self.gate.wait()
        self.finished.append(name)
        return name

    @rpc("sample.stop", "POST", access=Access.CONTROL, lane=Lane.URGENT)
    async def stop(self, _call: Call) -> Literal["ok"]:
        """Urgent."""
        return "ok"

    @rpc("sample.script", "POST", access=Access.CONTROL, lane=Lane.GCODE)
    async def script(self, _call: Call, *, script: str) -> Literal["ok"]:
        """G-code."""
        await self._commands.script(script)
        return "ok"

    @rpc("sample.query", "GET", "POST", access=Access.READ)
    async def query(self, _call: Call, *, objects: Objects) -> dict[str, list[str] | None]:
        """What was asked for."""
        return objects

    @rpc("sample.subscribe", "POST", access=Access.READ)
    async def subscribe(
        self,
        call: Call,
        *,
        objects: Objects = {},  # noqa: B006 - the schema's default
        connection_id: int | None = None,
    ) -> dict[str, Any]:
        """Subscribe a WebSocket."""
        socket = self._sockets.of(call.client) if connection_id is None else self._sockets.find(connection_id)
        assert socket is not None
        status = await socket.subscribe(objects)
        return {"eventtime": self._cache.eventtime, "status": status}

    @rpc("sample.id", access=Access.READ, doors=SOCKET_ONLY)
    async def id(self, call: Call) -> int:
        """The WebSocket's id."""
        socket = self._sockets.of(call.client)
        assert socket is not None
        return socket.id

    @rpc("printer.sampled", "GET", path="/sample/elsewhere", access=Access.READ)
    async def sampled(self, _call: Call) -> str:
        """A method of ours below printer, with a path elsewhere."""
        return "here"

    @rpc("sample.count", "GET", access=Access.READ)
    async def count(self, _call: Call) -> int:
        """How many WebSockets."""
        return self._sockets.count

    @rpc("sample.whisper", "POST", access=Access.READ)
    async def whisper(self, call: Call) -> str:
        """Answers with a notification first."""
        call.client.notify("notify_whisper", [call.client.user])
        return call.client.door.value

    @rpc("sample.identify", access=Access.READ, doors=SOCKET_ONLY, public=True)
    async def identify(
        self, call: Call, *, name: str = "", api_key: str | None = None, access_token: str | None = None
    ) -> int:
        """Say who one is."""
        socket = self._sockets.of(call.client)
        assert socket is not None
        await socket.identify(
            name=name, version="1", kind="other", url="", api_key=api_key, access_token=access_token
        )
        return socket.id


def offered(name: str) -> Method | None:
    """What Klippy offers at run time."""
    kinds = {"printer.looks.only": Access.READ, "printer.does.things": Access.CONTROL}
    if name not in kinds:
        return None

    async def handler(
        _call: Call,
        *,
        params: Annotated[dict[str, Any], Open()] = {},  # noqa: B006 - the schema's default
    ) -> dict[str, Any]:
        return {"endpoint": name, **params}

    return Method(
        name=name,
        verbs=(),
        path=None,
        access=kinds[name],
        doors=frozenset(Door),
        elsewhere="",
        handler=handler,
    )
