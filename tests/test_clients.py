"""What real clients send, in their order and their dialect, over real HTTP and WebSockets; each ends in a print."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.conftest import Running, Start
from tests.filing import LONG, PRUSA, Filing, filing
from tests.wire import PATIENCE, until

# A print with a header, a picture and a footer, long enough to be seen running.
GCODE = PRUSA.read_bytes().replace(b"\nG28", b"\n" + LONG + b"G28", 1)
NAME = "Teil 1 (PLA) #2+ü.gcode"
NOT_YET = -32601  # a capability that is not there; both UIs go on without it


async def printing(files: Filing, name: str = NAME) -> None:
    """The simulator prints it."""
    await until(lambda: files.running.bridge.jobs.active == name)


# -- slicers


def curl_part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """As libcurl writes a part: a quote in a name is %22, a file has a type."""
    head = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"\r\nContent-Type: application/octet-stream'
    return f"{head}\r\n\r\n".encode() + value


async def send(
    files: Filing, path: str, parts: list[bytes], *, boundary: str, quoted: bool = False, **headers: str
) -> tuple[int, Any, Any]:
    mark = b"--" + boundary.encode()
    content = b"".join(mark + b"\r\n" + one + b"\r\n" for one in parts) + mark + b"--\r\n"
    shown = f'"{boundary}"' if quoted else boundary
    return await files.post(
        path, content, {"Content-Type": f"multipart/form-data; boundary={shown}", **headers}
    )


SLICERS = ("PrusaSlicer/2.9.0", "OrcaSlicer/2.3.0", "SuperSlicer/2.5.59")


@pytest.mark.parametrize("agent", SLICERS)
@pytest.mark.parametrize("key", ["", "88888888"])  # Orca's dummy key among them
async def test_prusaslicer_s_family_on_an_octoprint_host(files: Filing, agent: str, key: str) -> None:
    headers = {"X-Api-Key": key, "User-Agent": agent}
    status, version, _ = await files.get("/api/version", headers=headers)
    assert status < 400
    assert "api" in version
    assert version["text"].startswith("OctoPrint")
    parts = [curl_part("print", b"true"), curl_part("path", b""), curl_part("file", GCODE, NAME)]
    mark = "-" * 24 + "fWQ1u7mD0S3Vh2"
    status, answer, _ = await send(
        files, "/api/files/local", parts, boundary=mark, Expect="100-continue", **headers
    )
    assert status < 400
    assert answer["done"] is True
    assert answer["effectivePrint"] is answer["print_started"] is True
    assert (answer["files"]["local"]["path"], answer["item"]["path"]) == (NAME, NAME)
    await printing(files)


async def test_prusaslicer_on_a_prusalink_host(files: Filing) -> None:
    status, version, _ = await files.get("/api/version", headers={"X-Api-Key": "any"})
    assert (status, version.get("capabilities", {}).get("upload-by-put", False)) == (200, False)
    status, error, _ = await files.get("/api/v1/storage", headers={"X-Api-Key": "any"})
    assert (status, error["error"]["code"]) == (404, 404)  # which it takes
    parts = [curl_part("print", b"true"), curl_part("path", b"prints"), curl_part("file", GCODE, NAME)]
    status, answer, _ = await send(files, "/api/files/local", parts, boundary="x" * 40)
    assert (status, answer["item"]["path"]) == (201, f"prints/{NAME}")
    await printing(files, f"prints/{NAME}")


async def test_prusaslicer_on_a_moonraker_host(files: Filing) -> None:
    status, info, _ = await files.get("/server/info")
    assert status == 200
    assert next(iter(info)) == "result"
    assert info["result"]["moonraker_version"].startswith("v0.")
    parts = [
        curl_part("root", b"gcodes"),
        curl_part("path", b"a/b"),
        curl_part("print", b"true"),
        curl_part("file", GCODE, NAME),
    ]
    status, answer, _ = await send(files, "/server/files/upload", parts, boundary="y" * 40)
    assert (status, answer["print_started"]) == (201, True)
    await printing(files, f"a/b/{NAME}")


def qt_part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """As Qt writes a part: each has a type, names are raw."""
    head = "Content-Type: " + ("application/octet-stream" if filename else "text/plain")
    head += f'\r\nContent-Disposition: form-data; name="{name}"'
    return (head + (f'; filename="{filename}"' if filename else "") + "\r\n\r\n").encode() + value


async def test_cura_s_octoprint_plugin(files: Filing) -> None:
    for path in ("/api/settings", "/api/version", "/api/printerprofiles"):
        assert (await files.get(path, headers={"X-Api-Key": ""}))[0] == 200
    login = await files.request("POST", "/api/login", json={"passive": True})
    assert (login[0], login[1]["name"]) == (200, "_api")
    status, printer, _ = await files.get("/api/printer")
    assert status == 200
    assert {"actual", "target"} <= set(printer["temperature"]["tool0"]) & set(printer["temperature"]["bed"])
    flags = printer["state"]["flags"]
    assert {name: flags[name] for name in FLAGS} == {
        **dict.fromkeys(FLAGS, False),
        "operational": True,
        "ready": True,
    }
    boundary = "boundary_.oOo._Mjk0NDQ2NTA="
    parts = [
        qt_part("path", b"/"),
        qt_part("file", GCODE, NAME),
        qt_part("select", b"true"),
        qt_part("print", b"false"),
    ]
    status, _, headers = await send(files, "/api/files/local", parts, boundary=boundary, quoted=True)
    assert status == 201
    location = headers["Location"]
    assert "api/" in location
    path = urlsplit(location).path
    status, none, _ = await files.request("POST", path, json={"command": "select", "print": True})
    assert (status, none) == (204, b"")
    await printing(files)
    status, job, _ = await files.get("/api/job")
    assert (status, job["job"]["file"]["name"], job["state"]) == (200, NAME, "Printing")
    assert all(job["progress"][name] is not None for name in ("completion", "printTime", "printTimeLeft"))
    for state in ("paused", "printing"):  # its one button for both
        assert (await files.request("POST", "/api/job", json={"command": "pause"}))[0] == 204
        await until_state(files, state)
    assert (await files.request("POST", "/api/job", json={"command": "cancel"}))[0] == 204
    await until(lambda: files.running.bridge.jobs.active is None)
    status, answer, _ = await files.request(
        "POST", "/api/printer/command", json={"commands": ["G28", "M140 S0"]}
    )
    assert (status, answer) == (200, {})


FLAGS = ("operational", "printing", "paused", "closedOrError", "error", "ready")


async def until_state(files: Filing, name: str) -> None:
    """It polls as well."""
    end = time.monotonic() + PATIENCE
    while not (await files.get("/api/printer"))[1]["state"]["flags"][name]:
        assert time.monotonic() < end


async def test_cura_s_moonraker_plugin(files: Filing) -> None:
    """It puts the file first, and what it is to be done with it behind."""
    status, info, _ = await files.get("/server/info")
    assert (status, info["result"]["klippy_state"]) == (200, "ready")
    parts = [
        qt_part("file", GCODE, NAME),
        qt_part("root", b"gcodes"),
        qt_part("path", b"cura"),
        qt_part("print", b"true"),
    ]
    status, answer, _ = await send(
        files, "/server/files/upload", parts, boundary="boundary_.oOo._x", quoted=True
    )
    assert (status, answer["item"]["path"]) == (201, f"cura/{NAME}")
    await printing(files, f"cura/{NAME}")


async def test_octorest_is_told_that_its_key_is_wrong(klippy, start: Start) -> None:
    async with filing(await start(http={"trusted": [], "api_key": "the-right-key"})) as files:
        for path in ("/api/version", "/api/job", "/api/files", "/api/settings"):
            assert (await files.get(path, headers={"X-Api-Key": "a-wrong-key"}))[0] == 401
            assert (await files.get(path, headers={"X-Api-Key": "the-right-key"}))[0] == 200


async def test_without_octoprint_its_paths_are_not_there(klippy, start: Start) -> None:
    async with filing(await start(files={"octoprint": False})) as files:
        assert (await files.get("/api/version"))[0] == 404
        assert "octoprint_compat" not in (await files.call("server.info"))["components"]


# -- web UIs


class Page:
    """A web UI in a browser: its WebSocket, and fetch from its own origin."""

    def __init__(self, files: Filing, ws: aiohttp.ClientWebSocketResponse, first: int) -> None:
        self.files, self._ws, self._next = files, ws, first
        self.heard: list[dict[str, Any]] = []
        self.headers = {"Origin": files.url, "Host": files.url.removeprefix("http://")}

    async def hear(self, fits: Any) -> Any:
        """The first message that fits, heard already or soon."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for index, message in enumerate(self.heard):
                    if fits(message):
                        return self.heard.pop(index)
                self.heard.append(await self._ws.receive_json())

    async def notified(self, method: str, fits: Any = lambda _params: True) -> Any:
        found = await self.hear(
            lambda one: isinstance(one, dict) and one.get("method") == method and fits(one["params"][0])
        )
        return found["params"][0]

    async def rpc(self, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": self._next}
        self._next += 1
        await self._ws.send_json(message if params is None else {**message, "params": params})
        found: dict[str, Any] = await self.hear(
            lambda one: isinstance(one, dict) and one.get("id") == message["id"]
        )
        return found

    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        answer = await self.rpc(method, params)
        assert "result" in answer, (method, answer)
        return answer["result"]

    async def batch(self, *requests: tuple[str, dict[str, Any]]) -> list[Any]:
        messages = []
        for method, params in requests:
            messages.append({"jsonrpc": "2.0", "method": method, "params": params, "id": self._next})
            self._next += 1
        await self._ws.send_json(messages)
        found: list[Any] = await self.hear(lambda one: isinstance(one, list))
        return [one["result"] for one in found]

    async def upload(self, *fields: tuple[str, str], name: str, content: bytes) -> Any:
        """As FormData of a browser: file first, a quote is %22."""
        shown = name.replace('"', "%22")
        file = f'Content-Disposition: form-data; name="file"; filename="{shown}"\r\n\r\n'.encode() + content
        plain = [
            f'Content-Disposition: form-data; name="{key}"\r\n\r\n{text}'.encode() for key, text in fields
        ]
        status, answer, _ = await send(
            self.files,
            "/server/files/upload",
            [file, *plain],
            boundary="----WebKitFormBoundaryA1",
            **self.headers,
        )
        assert status == 201, answer
        assert "item" in answer  # not wrapped
        return answer


@pytest.fixture
async def page(files: Filing) -> AsyncIterator[Any]:
    """Opens a UI's WebSocket: `await page(first_id)`."""
    async with aiohttp.ClientSession() as session:

        async def begin(first: int) -> Page:
            url = f"{files.url}/websocket"
            ws = await session.ws_connect(url, headers={"Origin": files.url})
            return Page(files, ws, first)

        yield begin


async def walk_in(page: Page, calls: list[tuple[str, dict[str, Any] | None]], needed: set[str]) -> None:
    """The calls of a start; what a UI cannot do without must answer, the rest may be missing."""
    for method, params in calls:
        answer = await page.rpc(method, params)
        if "error" in answer:
            assert method not in needed, (method, answer)
            assert answer["error"]["code"] in (NOT_YET, 404), (method, answer)


async def print_and_tidy_up(page: Page, empty: dict[str, Any] | None) -> None:
    """Start, pause, resume, cancel, a line in the console, delete."""
    watch = page.files.running.bridge.jobs
    await page.call("printer.print.start", {"filename": NAME})
    await until(lambda: watch.active == NAME)
    assert (await page.notified("notify_history_changed"))["action"] == "added"
    await page.call("server.history.totals", empty)
    await page.call("server.files.metadata", {"filename": NAME})
    await page.call("printer.print.pause", empty)
    await until(lambda: not watch.printing)
    await page.call("printer.print.resume", empty)
    await until(lambda: watch.printing)
    await page.call("printer.print.cancel", empty)
    await page.notified("notify_history_changed", lambda one: one["action"] == "finished")
    assert await page.call("printer.gcode.script", {"script": "M117 bye"}) == "ok"
    await page.call("server.files.delete_file", {"path": f"gcodes/{NAME}"})
    await page.notified("notify_filelist_changed", lambda one: one["action"] == "delete_file")
    assert list(page.files.gcodes.glob("*.gcode")) == []


FLUIDD: list[tuple[str, dict[str, Any] | None]] = [
    (
        "server.connection.identify",
        {"client_name": "fluidd", "type": "web", "url": "http://x", "version": "1.37.4"},
    ),
    ("server.database.get_item", {"namespace": "fluidd"}),
    ("server.info", None),
    ("server.config", None),
    ("machine.proc_stats", None),
    ("machine.system_info", None),
    ("server.files.list", {"root": "gcodes"}),
    ("printer.info", None),
    ("printer.objects.list", None),
    ("access.get_user", None),
    ("access.users.list", None),
    ("access.get_api_key", None),
    ("machine.device_power.devices", None),
    ("server.history.list", {"limit": 50}),
    ("server.history.totals", None),
    ("server.database.list", None),
    ("server.announcements.list", None),
    ("server.webcams.list", None),
    ("server.job_queue.status", None),
    ("server.sensors.list", {"extended": False}),
    ("server.files.get_directory", {"extended": True, "path": "gcodes"}),
    ("server.files.get_directory", {"extended": True, "path": "config"}),
    ("server.files.get_directory", {"extended": True, "path": "logs"}),
    ("server.gcode_store", None),
    ("printer.gcode.help", None),
    ("server.temperature_store", {"include_monitors": True}),
]


async def test_fluidd(page: Any) -> None:
    one: Page = await page(10001)
    needed = {method for method, _ in FLUIDD} - {
        "server.database.get_item",
        "access.get_user",
    }
    await walk_in(one, FLUIDD, needed)
    for key in ("uiSettings", "macros", "console", "charts", "cameras", "layout", "gcodes"):
        await one.call("server.database.post_item", {"namespace": "fluidd", "key": key, "value": {}})
    objects = (await one.call("printer.objects.list"))["objects"]
    await one.call("printer.objects.subscribe", {"objects": dict.fromkeys(objects)})
    await one.upload(("path", ""), ("root", "gcodes"), name=NAME, content=GCODE)
    told = await one.notified("notify_filelist_changed", lambda one: one["item"]["path"] == NAME)
    assert (told["action"], told["item"]["root"]) == ("create_file", "gcodes")
    known = await one.call("server.files.metadata", {"filename": NAME})
    assert known["estimated_time"]
    assert known["thumbnails"]
    await one.upload(("path", ""), ("root", "config"), name="printer.cfg", content=b"[mcu]\n")
    status, text, _ = await one.files.get("/server/files/config/printer.cfg?date=1700000000000")
    assert (status, text) == (200, b"[mcu]\n")
    await one.call("server.job_queue.post_job", {"filenames": [NAME]})
    queued = (await one.call("server.job_queue.status"))["queued_jobs"]
    await one.call("server.job_queue.delete_job", {"job_ids": [job["job_id"] for job in queued]})
    await print_and_tidy_up(one, None)


async def test_fluidd_s_upload_and_print(page: Any) -> None:
    one: Page = await page(10001)
    answer = await one.upload(
        ("path", "sub"), ("root", "gcodes"), ("print", "true"), name=NAME, content=GCODE
    )
    assert answer["print_started"] is True
    await printing(one.files, f"sub/{NAME}")


MAINSAIL: list[tuple[str, dict[str, Any] | None]] = [
    (
        "server.connection.identify",
        {"client_name": "mainsail", "type": "web", "url": "http://x", "version": "2.18"},
    ),
    ("server.info", {}),
    ("server.config", {}),
    ("machine.system_info", {}),
    ("machine.proc_stats", {}),
    ("server.database.list", {"root": "config"}),
    ("server.job_queue.status", {}),
    ("server.history.list", {"limit": 50, "max": 50, "start": 0}),
    ("server.history.totals", {}),
    ("server.announcements.list", {}),
    ("server.sensors.list", {}),
    ("machine.device_power.devices", {}),
    ("server.files.get_directory", {"path": "gcodes"}),
    ("server.files.get_directory", {"path": "config"}),
    ("server.files.get_directory", {"path": "logs"}),
    ("server.database.get_item", {"namespace": "mainsail"}),
    ("server.webcams.list", {}),
    ("printer.objects.query", {"objects": {"webhooks": None, "configfile": None}}),
    ("printer.info", {}),
    ("server.gcode_store", {}),
    ("printer.objects.list", None),
    ("server.temperature_store", {"include_monitors": True}),
]


async def test_mainsail(page: Any) -> None:
    one: Page = await page(0)
    for theme in ("default.json", "maintenance.json"):
        assert (await one.files.get(f"/server/files/config/.theme/{theme}"))[0] == 404
    needed = {method for method, _ in MAINSAIL} - {"server.database.get_item"}
    await walk_in(one, MAINSAIL, needed)
    body = {"namespace": "mainsail", "key": "initVersion", "value": "2.18.2"}
    assert (await one.files.request("POST", "/server/database/item", json=body, headers=one.headers))[
        0
    ] == 200
    assert (await one.files.get("/server/database/item?namespace=mainsail"))[0] == 200
    objects = (await one.call("printer.objects.list", {}))["objects"]
    await one.call("printer.objects.subscribe", {"objects": dict.fromkeys(objects)})
    await one.upload(("root", "gcodes"), ("path", ""), name=NAME, content=GCODE)
    told = await one.notified("notify_filelist_changed", lambda one: one["item"]["path"] == NAME)
    assert set(told["item"]) == {"path", "root", "modified", "size", "permissions"}
    (known,) = await one.batch(("server.files.metadata", {"filename": NAME}))
    assert known["filename"] == NAME
    config = b"[printer]\nkinematics: none\n"
    checksum = hashlib.sha256(config).hexdigest()
    fields = (("root", "config"), ("path", ""), ("checksum", checksum))
    await one.upload(*fields, name="printer.cfg", content=config)
    assert (await one.files.get("/server/files/config/printer.cfg?1700000000"))[1] == config
    await print_and_tidy_up(one, {})


async def test_klipperscreen_finds_its_pictures(files: Filing) -> None:
    await files.upload(NAME, GCODE)
    listed = await files.call("server.files.list")
    known = await files.call("server.files.metadata", filename=listed[0]["path"])
    for one in known["thumbnails"]:
        url = f"{files.url}/server/files/gcodes/"
        async with files.session.get(url + json_quote(one["relative_path"])) as response:
            assert (response.status, len(await response.read())) == (200, one["size"])


def json_quote(path: str) -> str:
    """As Python's requests quotes a path."""
    return path.replace("%", "%25").replace("#", "%23").replace(" ", "%20")


async def test_an_upload_holds_up_no_other_client(bridge: Running) -> None:
    """State keeps flowing while a large file comes in."""
    async with filing(bridge) as files:
        await files.call("printer.objects.subscribe", objects={"toolhead": None})
        upload = asyncio.ensure_future(files.upload("big.gcode", LONG * 300))
        answered = 0
        while not upload.done():
            await files.call("server.info")
            answered += 1
        assert (await upload)["item"]["size"] == len(LONG) * 300
        assert answered > 1
        assert json.dumps(await files.call("server.files.list"))
