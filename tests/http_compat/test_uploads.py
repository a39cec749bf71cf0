"""POST /server/files/upload: what comes in whole gets its name, everything else leaves nothing behind."""

import asyncio
import hashlib
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Start
from tests.filing import LONG, ODD_NAMES, PRUSA, SHORT, Filing, body, filing, form_type, part, url_of
from tests.wire import until

UPLOAD = "/server/files/upload"
FILE = part("file", SHORT, filename="a.gcode", headers="Content-Type: application/octet-stream\r\n")


async def put(files: Filing, name: str, content: bytes = SHORT, **fields: str) -> Any:
    """Upload with any fields; the answer, which must be 201."""
    parts = [part(key, value) for key, value in fields.items()]
    status, answer, _ = await files.post(UPLOAD, body([*parts, part("file", content, filename=name)]))
    assert status == 201, answer
    return answer


async def test_an_upload_is_answered_with_201_and_a_body_that_is_not_wrapped(files: Filing) -> None:
    answer = await put(files, "a.gcode", path="deep/er", root="gcodes")
    status = (files.gcodes / "deep/er/a.gcode").stat()
    assert answer == {
        "item": {
            "path": "deep/er/a.gcode",
            "root": "gcodes",
            "modified": status.st_mtime,
            "size": len(SHORT),
            "permissions": "rw",
        },
        "action": "create_file",
        "print_started": False,
        "print_queued": False,
    }
    assert (files.gcodes / "deep/er/a.gcode").read_bytes() == SHORT
    await files.change("create_file", "deep/er/a.gcode")


async def test_an_upload_to_another_root_tells_nothing_of_prints(files: Filing) -> None:
    answer = await files.upload("printer.cfg", b"[mcu]\n", root="config")
    assert set(answer) == {"item", "action"}
    assert (files.config / "printer.cfg").read_bytes() == b"[mcu]\n"


async def test_a_checksum_is_compared_whatever_its_case(files: Filing) -> None:
    right = hashlib.sha256(SHORT).hexdigest()
    await files.upload("a.gcode", checksum=right.upper())
    form = body([part("checksum", "0" * 64), part("file", b"damaged", filename="a.gcode")])
    status, answer, _ = await files.post(UPLOAD, form)
    assert (status, answer["error"]["code"]) == (422, 422)
    assert "checksum" in answer["error"]["message"]
    assert (files.gcodes / "a.gcode").read_bytes() == SHORT
    assert files.left_over() == []


async def test_parts_may_come_in_any_order(files: Filing) -> None:
    fields = [part("root", "gcodes"), part("path", "sub"), part("print", "false")]
    for number, order in enumerate(permutations([*fields, b""])):
        name = f"n{number}.gcode"
        parts = [one or part("file", SHORT, filename=name) for one in order]
        status, answer, _ = await files.post(UPLOAD, body(parts))
        assert (status, answer["item"]["path"]) == (201, f"sub/{name}")
    status, answer, _ = await files.post(
        UPLOAD, body([part("file", b"x", filename="x.cfg"), part("root", "config")])
    )
    assert (status, (files.config / "x.cfg").read_bytes()) == (201, b"x")
    assert files.left_over() == []


NO_FORMS = {
    "unfinished": body([FILE], end=False),
    "cut": body([FILE])[:-60],
    "no file": body([part("root", "gcodes")]),
    "two files": body([FILE, FILE]),
    "a field twice": body([part("root", "gcodes"), part("root", "config"), FILE]),
    "no UTF-8": body([part("root", b"\xff"), FILE]),
    "a file without a name": body([part("file", SHORT)]),
    "an empty name": body([part("file", SHORT, filename="")]),
    "nothing": b"",
    "text": b"no form at all",
}


async def test_what_is_no_whole_form_is_400_and_leaves_nothing(files: Filing) -> None:
    for why, form in NO_FORMS.items():
        status, answer, _ = await files.post(UPLOAD, form)
        assert (status, answer["error"]["code"]) == (400, 400), why
        assert list(files.gcodes.iterdir()) == [], why


async def test_a_body_that_is_no_form_is_400(files: Filing) -> None:
    status, _, _ = await files.post(UPLOAD, b"{}", {"Content-Type": "application/json"})
    assert status == 400


@pytest.mark.parametrize("fields", [{}, {"root": "config"}], ids=["gcodes", "config"])
async def test_no_name_and_no_path_leads_out_of_the_root(files: Filing, fields: dict[str, str]) -> None:
    root = files.data / fields.get("root", "gcodes")
    before = sorted(files.data.parent.iterdir()), sorted(root.iterdir())
    tries = [("../evil.gcode", ""), ("..", ""), (".", ""), ("a\\..\\evil.gcode", ""), ("a\x01.gcode", "")]
    tries += [("evil.gcode", path) for path in ("..", "../..", "a/../../b", "./../x", "..\\x")]
    for name, path in tries:
        parts = [part(key, value) for key, value in {**fields, "path": path}.items()]
        status, answer, _ = await files.post(UPLOAD, body([*parts, part("file", b"x", filename=name)]))
        assert status in (400, 403), (name, path, answer)
    assert (sorted(files.data.parent.iterdir()), sorted(root.iterdir())) == before
    status, _, _ = await files.post(UPLOAD, body([part("root", "nowhere"), FILE]))
    assert status == 404
    status, _, _ = await files.post(UPLOAD, body([part("root", "logs"), FILE]))
    assert status == 403


async def test_secrets_cannot_be_replaced_by_an_upload(files: Filing) -> None:
    (files.config / "secrets.yaml").write_text("mqtt_password: hush")
    form = body([part("root", "config"), part("file", b"x", filename="secrets.yaml")])
    assert (await files.post(UPLOAD, form))[0] == 404
    assert (files.config / "secrets.yaml").read_text() == "mqtt_password: hush"


async def test_every_name_comes_back_as_it_went_in(files: Filing) -> None:
    for name in ODD_NAMES:
        assert (await put(files, name, path="odd names"))["item"]["path"] == f"odd names/{name}"
    listed = await files.call("server.files.list")
    assert sorted(one["path"] for one in listed) == sorted(f"odd names/{name}" for name in ODD_NAMES)
    for name in ODD_NAMES:
        path = f"odd names/{name}"
        assert (await files.call("server.files.metadata", filename=path))["filename"] == path
        assert (await files.get(url_of("gcodes", path)))[:2] == (200, SHORT)
        status, answer, _ = await files.request("DELETE", url_of("gcodes", path))
        assert (status, answer["result"]["item"]["path"]) == (200, path)
    assert await files.call("server.files.list") == []


async def test_a_client_that_goes_away_leaves_nothing(files: Filing) -> None:
    there = urlsplit(files.url)
    _, writer = await asyncio.open_connection(there.hostname, there.port)
    form = body([part("file", b"G1 X1\n" * 200_000, filename="gone.gcode")])
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: {there.netloc}\r\nContent-Length: {len(form)}\r\n"
    head += f"Content-Type: {form_type()['Content-Type']}\r\n\r\n"
    writer.write(head.encode() + form[:600_000])
    await until(lambda: any(path.stat().st_size for path in files.left_over()))
    writer.transport.abort()
    await until(lambda: not files.left_over())
    assert list(files.gcodes.iterdir()) == []
    assert files.changes == []


async def test_who_waits_for_100_continue_is_told_to_go_on(files: Filing) -> None:
    there = urlsplit(files.url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    form = body([FILE])
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: {there.netloc}\r\nContent-Length: {len(form)}\r\n"
    head += f"Expect: 100-continue\r\nContent-Type: {form_type()['Content-Type']}\r\n\r\n"
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(form)
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 201 ")
    writer.close()


async def test_too_large_is_413_before_and_while_it_comes(klippy, start: Start) -> None:
    async with filing(await start(files={"max_upload": 100_000})) as files:
        large = part("file", b"x" * 300_000, filename="a.gcode")
        assert (await files.post(UPLOAD, body([large])))[0] == 413
        mean = part("file", b"x" * 120_000, filename="a.gcode")
        assert (await files.post(UPLOAD, body([mean])))[0] == 413
        assert list(files.gcodes.iterdir()) == []
        await files.upload("b.gcode", b"x" * 99_000)


async def test_an_upload_with_print_starts_a_print(files: Filing, klippy) -> None:
    answer = await files.upload("sub/it.gcode", LONG, print="true")
    assert (answer["print_started"], answer["print_queued"]) == (True, False)
    found = await files.call("printer.objects.query", objects={"print_stats": ["state", "filename"]})
    assert found["status"]["print_stats"] == {"state": "printing", "filename": "sub/it.gcode"}


async def test_the_file_that_prints_cannot_be_replaced(files: Filing) -> None:
    await files.upload("it.gcode", LONG, print="true")
    jobs = files.running.bridge.jobs
    await until(lambda: jobs.active)
    status, answer, _ = await files.post(UPLOAD, body([part("file", SHORT, filename="it.gcode")]))
    assert (status, answer["error"]["code"]) == (403, 403)
    assert "printing" in answer["error"]["message"]
    assert (files.gcodes / "it.gcode").read_bytes() == LONG
    await files.call("printer.print.cancel")
    await until(lambda: jobs.active is None)
    await files.upload("it.gcode")
    assert (files.gcodes / "it.gcode").read_bytes() == SHORT


async def test_an_upload_while_klippy_is_away_is_kept_and_described(start: Start) -> None:
    async with filing(await start(wait=False)) as files:
        answer = await files.upload("cube.gcode", PRUSA.read_bytes(), print="true")
        assert (answer["action"], answer["print_started"]) == ("create_file", False)
        assert answer["print_queued"] or answer["print_refused"]
        found = await files.call("server.files.metadata", filename="cube.gcode")
        assert (found["slicer"], found["estimated_time"]) == ("PrusaSlicer", 285)
