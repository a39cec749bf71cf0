"""Need 26 over every door: whatever a path says, nothing outside the roots is read or touched, and nothing told."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import Running, Start
from tests.filing import SHORT, Filing, filing
from tests.wire import Ear, Mosquitto, ear

PATHS = (
    "../outside.txt",
    "sub/../../../outside.txt",
    "..",
    ".",
    "./a.gcode",
    "sub/..",
    "..\\..\\outside.txt",
    "....//outside.txt",
    "..;/outside.txt",
    "/etc/passwd",
    "//etc/passwd",
    "~/.ssh/id_rsa",
    "a.gcode\x00.png",
    "a\nb.gcode",
    "a\x1b[2Jb",
    "a\u2028b",
    "away/outside.txt",
    "away",
    "loop/x",
    "x" * 256,
    "ü" * 128,
    "a/" * 200 + "b",
    "x" * 5000,
    "%2e%2e/outside.txt",
)
# Over HTTP these are not letters like all others.
ENCODED = ("..%2f..%2foutside.txt", "\ud800.gcode")
WITH_ROOT = (
    "../gcodes/a.gcode",
    "nowhere/a.gcode",
    "",
    "/",
    "/gcodes/a.gcode",
    "GCODES/a.gcode",
    "gcodes\\a.gcode",
    "\x00",
)


@pytest.fixture
def outside(klippy, tmp_path: Path) -> Path:
    """A file that nobody may see, and links to it."""
    gcodes = tmp_path / "data" / "gcodes"
    hidden = tmp_path / "outside.txt"
    hidden.write_text("hush")
    (gcodes / "a.gcode").write_bytes(SHORT)
    (gcodes / "sub").mkdir()
    (gcodes / "away").symlink_to(tmp_path)
    (gcodes / "loop").symlink_to(gcodes / "loop")
    return hidden


def state_of(folder: Path) -> dict[str, Any]:
    """All that is on the disk, but what the bridge writes for itself."""
    return {
        str(path): (path.is_symlink() or path.is_dir() or path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if "bridge" not in path.parts and "logs" not in path.parts and not path.is_socket()
    }


def calls(path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every file method with that path, in each of its places."""
    return [
        ("server.files.metadata", {"filename": path}),
        ("server.files.metascan", {"filename": path}),
        ("server.files.thumbnails", {"filename": path}),
        *with_root(f"gcodes/{path}"),
    ]


def with_root(path: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("server.files.get_directory", {"path": path}),
        ("server.files.post_directory", {"path": path}),
        ("server.files.delete_directory", {"path": path, "force": True}),
        ("server.files.delete_file", {"path": path}),
        ("server.files.move", {"source": path, "dest": "gcodes/moved"}),
        ("server.files.move", {"source": "gcodes/a.gcode", "dest": f"{path}/x"}),
        ("server.files.copy", {"source": path, "dest": "gcodes/copied"}),
        ("server.files.copy", {"source": "gcodes/a.gcode", "dest": f"{path}/x"}),
        ("server.files.zip", {"items": [path], "dest": "config/x.zip"}),
        ("server.files.zip", {"items": ["gcodes/a.gcode"], "dest": f"{path}/x.zip"}),
    ]


def check(answer: dict[str, Any], about: object, outside: Path) -> None:
    assert "error" in answer, about
    assert answer["error"]["code"] in (400, 403, 404, -32602), (about, answer)
    text = json.dumps(answer)
    assert "Traceback" not in text
    assert "hush" not in text
    assert str(outside.parent) not in text


async def test_over_a_websocket(outside: Path, files: Filing) -> None:
    before = state_of(outside.parent)
    for asked in (*map(calls, PATHS), *map(with_root, WITH_ROOT)):
        for method, params in asked:
            check(await files.ask(method, **params), (method, params), outside)
        assert state_of(outside.parent) == before, asked


async def test_over_mqtt(outside: Path, klippy, start: Start, broker: Mosquitto) -> None:
    bridge = await start(mqtt={"allow": ["read", "control", "files"]})
    before = state_of(outside.parent)
    topic = f"mine/{bridge.name}"
    async with ear(broker.port, topic) as client:
        for asked in (*map(calls, PATHS), *map(with_root, WITH_ROOT)):
            batch = [
                {"jsonrpc": "2.0", "method": method, "params": params, "id": f"{method} {params}"}
                for method, params in asked
            ]
            await client.say(bridge.topics.request, batch, ResponseTopic=topic)
        answers = await client.until(lambda: len(client.heard) == len(PATHS + WITH_ROOT) and client.heard)
        for message in answers:
            assert len(message.json) in (len(calls("")), len(with_root("")))
            for answer in message.json:
                check(answer, answer["id"], outside)
    assert state_of(outside.parent) == before


@pytest.mark.parametrize("verb", ["GET", "DELETE", "HEAD"])
async def test_over_http_however_a_path_is_written(outside: Path, files: Filing, verb: str) -> None:
    before = state_of(outside.parent)
    for path in (*PATHS, *ENCODED):
        raw = path.encode("utf-8", "surrogatepass")
        for written in {quote(raw), quote(raw, safe=""), "".join(f"%{byte:02x}" for byte in raw)}:
            if len(written) > 8000:
                continue
            status, content, _ = await files.request(verb, f"/server/files/gcodes/{written}")
            assert status in (400, 403, 404), (path, written, status)
            assert (
                b"hush" not in json.dumps(content).encode()
                if isinstance(content, dict)
                else b"hush" not in content
            )
            assert str(outside.parent) not in str(content)
    for written in ("..%2fconfig", "%2e%2e/config", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5cgcodes", "%00"):
        assert (await files.request(verb, f"/server/files/{written}"))[0] in (400, 404)
    assert state_of(outside.parent) == before


async def test_over_the_http_routes_of_every_method(outside: Path, files: Filing) -> None:
    """In the query and in the body; a path that is part of the address is tested above."""
    methods = files.running.bridge.registry.methods
    before, asked = state_of(outside.parent), set()
    for name, params in (one for path in (*map(calls, PATHS), *map(with_root, WITH_ROOT)) for one in path):
        method = methods[name]
        if "{" in str(method.path):
            continue
        for verb in method.verbs:
            ways: list[dict[str, Any]] = [{"json": params}]
            if not any(isinstance(value, list) for value in params.values()):
                ways.append({"params": {key: str(value) for key, value in params.items()}})
            for way in ways:
                if len(str(way.get("params", ""))) > 4000:
                    continue
                async with files.session.request(verb, f"{files.url}{method.path}", **way) as response:
                    answer = await response.json()
                assert response.status in (400, 403, 404), (name, way, answer)
                check(answer, (name, way), outside)
                asked.add((verb, method.path, *way))
    assert state_of(outside.parent) == before
    assert {(verb, path) for verb, path, _ in asked} >= {
        ("GET", "/server/files/directory"),
        ("POST", "/server/files/directory"),
        ("DELETE", "/server/files/directory"),
        ("POST", "/server/files/move"),
        ("POST", "/server/files/copy"),
        ("POST", "/server/files/zip"),
        ("GET", "/server/files/metadata"),
        ("POST", "/server/files/metascan"),
        ("GET", "/server/files/thumbnails"),
    }


async def test_over_octoprint_s_door(outside: Path, files: Filing) -> None:
    before = state_of(outside.parent)
    for path in PATHS:
        written = quote(path.encode("utf-8", "surrogatepass"), safe="")
        if len(written) > 8000:
            continue
        for prefix in ("/api/files/local", "/api/files/moonraker/gcodes"):
            for verb, body in (
                ("GET", None),
                ("DELETE", None),
                ("POST", {"command": "select", "print": True}),
                ("POST", {"command": "copy", "destination": path}),
                ("POST", {"command": "move", "destination": ""}),
            ):
                status, content, _ = await files.request(verb, f"{prefix}/{written}", json=body)
                assert status in (400, 403, 404, 409), (path, verb, body, status)
                assert str(outside.parent) not in str(content)
    assert files.running.bridge.jobs.active is None
    assert state_of(outside.parent) == before


async def test_only_what_is_in_gcodes_can_be_queued(outside: Path, files: Filing) -> None:
    for path in PATHS:
        queued = await files.ask("server.job_queue.post_job", filenames=[path])
        assert "error" in queued, path


async def test_special_files_are_nobody_s_business(outside: Path, files: Filing) -> None:
    os.mkfifo(files.gcodes / "fifo.gcode")
    (files.gcodes / "mark.gcode").write_bytes(SHORT)
    await files.change("create_file", "mark.gcode")
    assert "fifo.gcode" not in {one["path"] for one in await files.call("server.files.list")}
    assert (await files.get("/server/files/gcodes/fifo.gcode"))[0] == 404
    assert "error" in await files.ask("server.files.metadata", filename="fifo.gcode")
    copied = await files.call("server.files.post_directory", path="gcodes/dir")
    os.mkfifo(files.gcodes / "dir/fifo")
    assert copied["item"]["path"] == "dir"
    await files.call("server.files.copy", source="gcodes/dir", dest="gcodes/dir2")
    assert list((files.gcodes / "dir2").iterdir()) == []


async def test_names_on_the_disk_that_cannot_be_asked_for_are_left_out(files: Filing) -> None:
    for raw in (b"\xff\xfe.gcode", b"a\nb.gcode", b"back\\slash.gcode", b"tab\t.gcode"):
        Path(os.fsdecode(bytes(files.gcodes) + b"/" + raw)).write_bytes(SHORT)
    (files.gcodes / "plain.gcode").write_bytes(SHORT)
    await files.change("create_file", "plain.gcode")
    assert [one["path"] for one in await files.call("server.files.list")] == ["plain.gcode"]
    found = await files.call("server.files.get_directory")
    assert [one["filename"] for one in found["files"]] == ["plain.gcode"]


async def test_a_file_named_like_a_page_is_still_a_file(klippy, start: Start, mqtt: Ear) -> None:
    bridge: Running = await start()
    async with filing(bridge) as files:
        for name in ("list", "upload", "klippy.log"):
            await files.upload(name, name.encode(), root="config")
            assert (await files.get(f"/server/files/config/{name}"))[1] == name.encode()
