"""/api/files: the files of gcodes as OctoPrint lists, takes, selects and deletes them."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import hdrs

from bridge.errors import BadParams, BadRequest, Conflict, Forbidden, NotFound
from bridge.files.items import Uploaded
from bridge.http_compat import answers, web
from bridge.http_compat.guard import Visitor
from bridge.http_compat.octoprint.desk import Command, Desk, Json, allow, choose
from bridge.http_compat.octoprint.job import JobPages
from bridge.http_compat.routes import Branch, Routes
from bridge.http_compat.uploads import Received, UploadPages
from bridge.roots import checked
from bridge.rpc import Access, encode

LOCAL = "/api/files/local"
MOONRAKERS = "/api/files/moonraker/gcodes"  # where Moonraker's own uploads are said to be
ROOT = "gcodes"


class FilePages:
    """The files that can be printed."""

    def __init__(self, desk: Desk, uploads: UploadPages, job: JobPages) -> None:
        self._desk, self._uploads, self._job = desk, uploads, job
        self._commands = {"select": self._select, "unselect": self._unselect}

    def add_to(self, routes: Routes) -> None:
        """Offer the pages."""
        routes.add("GET", "/api/files", self._list)
        routes.add("GET", LOCAL, self._list)
        routes.add("POST", LOCAL, self._upload)
        pages: dict[str, Branch] = {"GET": self._one, "POST": self._command, "DELETE": self._delete}
        for prefix in (LOCAL, MOONRAKERS):
            for verb, page in pages.items():
                routes.add_tree(verb, f"{prefix}/", page)

    async def _list(self, request: web.BaseRequest, query: str, visitor: Visitor) -> web.StreamResponse:
        given = await self._desk.arguments(request, query)
        deep = str(given.get("recursive", "")).lower() in ("true", "1")
        files, usage = await self._folder("", visitor, _origin(request), deep=deep)
        return answers.raw(encode({"files": files, "free": usage.free, "total": usage.total}))

    async def _one(
        self, request: web.BaseRequest, query: str, visitor: Visitor, rest: str
    ) -> web.StreamResponse:
        """A file, or a folder with what is in it."""
        path, origin = "/".join(checked(rest)), _origin(request)
        folder, _, name = path.rpartition("/")
        listing = await self._desk.call(
            "server.files.get_directory", visitor, path=_rooted(folder), extended=True
        )
        for one in listing.files:
            if one.filename == name:
                return answers.raw(encode(_file(path, one, origin)))
        if name not in {one.dirname for one in listing.dirs}:
            raise NotFound(f"{path} does not exist")
        given = await self._desk.arguments(request, query)
        deep = str(given.get("recursive", "")).lower() in ("true", "1")
        children, _ = await self._folder(path, visitor, origin, deep=deep)
        return answers.raw(encode(_directory(path, children, origin)))

    async def _folder(
        self, path: str, visitor: Visitor, origin: str, *, deep: bool
    ) -> tuple[list[Json], Any]:
        """What is in a folder; in the folders in it, too, when `deep`."""
        found = await self._desk.call(
            "server.files.get_directory", visitor, path=_rooted(path), extended=True
        )
        entries = [_file(_join(path, one.filename), one, origin) for one in found.files]
        for one in found.dirs:
            below = _join(path, one.dirname)
            if not one.dirname.startswith("."):
                children = (await self._folder(below, visitor, origin, deep=True))[0] if deep else []
                entries.append(_directory(below, children, origin))
        return entries, found.disk_usage

    async def _upload(self, request: web.BaseRequest, _query: str, visitor: Visitor) -> web.StreamResponse:
        received, uploaded = await self._uploads.receive(request, visitor, needs_file=False)
        if uploaded is None:
            return await self._make_folder(request, received, visitor)
        path = uploaded.item.path
        if received.wants("select") and not uploaded.print_started:
            self._desk.state.selected = path
        answer = answers.raw(encode(_uploaded(path, uploaded, received, _origin(request))), 201)
        answer.headers[hdrs.LOCATION] = _resource(path, _origin(request))
        return answer

    async def _make_folder(
        self, request: web.BaseRequest, received: Received, visitor: Visitor
    ) -> web.StreamResponse:
        """A form with a folder's name and no file."""
        name = received.fields.get("foldername", "")
        if not name:
            raise BadRequest("The upload holds no file: a part named 'file' with a file name is needed")
        path = "/".join(checked(f"{received.fields.get('path', '')}/{name}"))
        await self._desk.call("server.files.post_directory", visitor, path=_rooted(path))
        origin = _origin(request)
        answer = answers.raw(encode({"folder": _directory(path, [], origin), "done": True}), 201)
        answer.headers[hdrs.LOCATION] = _resource(path, origin)
        return answer

    async def _command(
        self, request: web.BaseRequest, query: str, visitor: Visitor, rest: str
    ) -> web.StreamResponse:
        given, path = await self._desk.arguments(request, query), "/".join(checked(rest))
        if given.get("command") in ("copy", "move"):
            return await self._carry(request, given, visitor, path)
        command: Command = choose(self._commands, given)
        await command(given | {"path": path}, visitor)
        return answers.empty()

    async def _select(self, given: Json, visitor: Visitor) -> None:
        """Choose the file to print next; with `print` print it."""
        allow(visitor, Access.CONTROL)
        path = str(given["path"])
        self._desk.require_operational()
        await self._desk.call("server.files.metadata", visitor, filename=path)
        if await self._desk.job(visitor) is not None:
            raise Conflict("A print job is active; another file cannot be selected now")
        self._desk.state.selected = path
        if str(given.get("print", "")).lower() == "true":
            await self._job.start(visitor)

    async def _unselect(self, _given: Json, visitor: Visitor) -> None:
        allow(visitor, Access.CONTROL)
        self._desk.state.selected = None

    async def _carry(
        self, request: web.BaseRequest, given: Json, visitor: Visitor, path: str
    ) -> web.StreamResponse:
        destination = given.get("destination")
        if not isinstance(destination, str):
            raise BadParams("Missing argument 'destination': the folder to go to")
        name = f"server.files.{given['command']}"
        change = await self._desk.call(name, visitor, source=_rooted(path), dest=_rooted(destination))
        origin, moved = _origin(request), change.item.path
        answer = answers.raw(encode(_refs(moved, origin)), 201)
        answer.headers[hdrs.LOCATION] = _resource(moved, origin)
        return answer

    async def _delete(
        self, _request: web.BaseRequest, _query: str, visitor: Visitor, rest: str
    ) -> web.StreamResponse:
        """A file, or a folder with all in it; 409 for one that is printing."""
        allow(visitor, Access.FILES)
        path = "/".join(checked(rest))
        folder, _, name = path.rpartition("/")
        found = await self._desk.call("server.files.get_directory", visitor, path=_rooted(folder))
        try:
            if name in {one.dirname for one in found.dirs}:
                await self._desk.call(
                    "server.files.delete_directory", visitor, path=_rooted(path), force=True
                )
            else:
                await self._desk.call("server.files.delete_file", visitor, path=_rooted(path))
        except Forbidden as error:
            raise Conflict(str(error)) from error
        return answers.empty()


def _uploaded(path: str, uploaded: Uploaded, received: Received, origin: str) -> Json:
    """The answer for both families: OctoPrint's `files` and `done`, Moonraker's `action` and `item`."""
    started = uploaded.print_started is True
    name = path.rpartition("/")[2]
    local = {"name": name, "display": name, "path": path, "origin": "local"} | _refs(path, origin)
    return {
        "files": {"local": local},
        "done": True,
        "effectiveSelect": received.wants("select") or started,
        "effectivePrint": started,
        "item": uploaded.item,
        "print_started": started,
        "print_queued": uploaded.print_queued is True,
        "action": uploaded.action,
    } | ({"print_refused": uploaded.print_refused} if uploaded.print_refused else {})


def _file(path: str, one: Any, origin: str) -> Json:
    """A file as OctoPrint lists it."""
    entry: Json = {
        "name": one.filename,
        "display": one.filename,
        "path": path,
        "type": "machinecode",
        "typePath": ["machinecode", "gcode"],
        "origin": "local",
        "hash": None,
        "size": one.size,
        "date": int(one.modified),
    }
    if one.estimated_time is not None:
        entry["gcodeAnalysis"] = {
            "estimatedPrintTime": one.estimated_time,
            "filament": {"tool0": {"length": one.filament_total}},
        }
    return entry | _refs(path, origin)


def _directory(path: str, children: Iterable[Json], origin: str) -> Json:
    """A folder as OctoPrint lists it."""
    name, listed = path.rpartition("/")[2], list(children)
    return {
        "name": name,
        "display": name,
        "path": path,
        "type": "folder",
        "typePath": ["folder"],
        "origin": "local",
        "children": listed,
        "size": sum(child["size"] for child in listed),
        "refs": {"resource": _resource(path, origin)},
    }


def _refs(path: str, origin: str) -> Json:
    download = f"{origin}/server/files/{ROOT}/{quote(path)}"
    return {"refs": {"resource": _resource(path, origin), "download": download}}


def _resource(path: str, origin: str) -> str:
    return f"{origin}{LOCAL}/{quote(path)}"


def _origin(request: web.BaseRequest) -> str:
    """What the client calls this server."""
    host = request.headers.get(hdrs.HOST, "")
    return f"{request.scheme}://{host}" if host else ""


def _rooted(path: str) -> str:
    return f"{ROOT}/{path}".rstrip("/")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
