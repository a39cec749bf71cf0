"""GET /server/files/…: whole files and ranges, what caches ask, logs under every name, nothing else."""

import os
import re
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Start
from tests.filing import ODD_NAMES, PRUSA, SHORT, Filing, url_of

CONTENT = bytes(range(256)) * 1000
PAGE = "/server/files/config/data.bin"


@pytest.fixture
async def data(files: Filing) -> Filing:
    """With a file of 256 000 bytes."""
    (files.config / "data.bin").write_bytes(CONTENT)
    return files


async def test_a_file_comes_whole_and_as_a_download(data: Filing) -> None:
    status, content, headers = await data.get(PAGE)
    assert (status, content) == (200, CONTENT)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "256000"
    assert headers["Content-Disposition"].startswith('attachment; filename="data.bin"')
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (headers["Accept-Ranges"], headers["Cache-Control"]) == ("bytes", "no-cache")
    status, content, headers = await data.request("HEAD", PAGE)
    assert (status, content, headers["Content-Length"]) == (200, b"", "256000")


async def test_nothing_is_shown_as_a_page(files: Filing) -> None:
    for name in ("a.html", "a.svg", "a.htm", "a", "a.js", "a.xhtml"):
        (files.config / name).write_text("<script>alert(1)</script>")
        _, _, headers = await files.get(f"/server/files/config/{name}")
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not headers["Content-Type"].startswith("text/html")


async def test_ranges_of_a_file(data: Filing) -> None:
    tries = [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=255990-", 255_990, 256_000),
        ("bytes=-5", 255_995, 256_000),
        ("bytes=-999999", 0, 256_000),
        ("bytes=100-999999", 100, 256_000),
        ("bytes=0-199999", 0, 200_000),
    ]
    for wanted, first, end in tries:
        status, content, headers = await data.get(PAGE, headers={"Range": wanted})
        assert (status, content) == (206, CONTENT[first:end]), wanted
        assert headers["Content-Range"] == f"bytes {first}-{end - 1}/256000"
    for wanted in ("bytes=256000-", "bytes=9-3", "bytes=-0"):
        status, content, headers = await data.get(PAGE, headers={"Range": wanted})
        assert (status, content, headers["Content-Range"]) == (416, b"", "bytes */256000"), wanted
    for wanted in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"):
        status, content, _ = await data.get(PAGE, headers={"Range": wanted})
        assert (status, content) == (200, CONTENT), wanted


async def test_a_client_that_has_the_file_is_told_so(data: Filing) -> None:
    _, _, first = await data.get(PAGE)
    tag, modified = first["ETag"], first["Last-Modified"]
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", W/{tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        status, content, found = await data.get(PAGE, headers=headers)
        assert (status, content, found["ETag"]) == (304, b"", tag), headers
    assert (await data.get(PAGE, headers={"If-None-Match": '"other"'}))[0] == 200
    assert (await data.get(PAGE, headers={"If-Modified-Since": formatdate(0, usegmt=True)}))[0] == 200
    assert (await data.get(PAGE, headers={"If-Match": '"other"'}))[0] == 412
    (data.config / "data.bin").write_bytes(b"new")
    status, content, _ = await data.get(PAGE, headers={"If-None-Match": tag})
    assert (status, content) == (200, b"new")


async def test_a_download_that_broke_off_goes_on_only_in_the_same_file(data: Filing) -> None:
    _, _, first = await data.get(PAGE)
    rest = {"Range": "bytes=100-", "If-Range": first["ETag"]}
    assert (await data.get(PAGE, headers=rest))[:2] == (206, CONTENT[100:])
    (data.config / "data.bin").write_bytes(b"z" * 200)
    assert (await data.get(PAGE, headers=rest))[:2] == (200, b"z" * 200)


async def test_every_name_is_found_and_told(files: Filing) -> None:
    for name in ODD_NAMES:
        (files.gcodes / name).write_bytes(SHORT)
        status, content, headers = await files.get(url_of("gcodes", name))
        assert (status, content) == (200, SHORT)
        told = headers["Content-Disposition"]
        assert re.fullmatch(r"attachment; filename=\"[ !#-~]*\"; filename\*=UTF-8''[!-~]+", told), told
    status, _, _ = await files.get(url_of("gcodes", ODD_NAMES[0]) + "?date=1700000000000")
    assert status == 200


async def test_what_is_no_file_is_404(files: Filing) -> None:
    (files.config / "folder").mkdir()
    os.mkfifo(files.config / "pipe")
    for path in ("config/nothing.cfg", "config/folder", "config/pipe", "config", "nowhere/a", "gcodes/a/b/c"):
        status, answer, _ = await files.get(f"/server/files/{path}")
        assert (status, answer["error"]["code"]) == (404, 404), path


async def test_no_path_leads_out_of_a_root(files: Filing) -> None:
    (files.data / "outside").write_text("hush")
    (files.config / "link").symlink_to("/etc/passwd")
    tries = ("../outside", "..%2Foutside", "%2e%2e/outside", "a/..%2f../outside", "%2Fetc%2Fpasswd", "link")
    tries += ("..%5Coutside", "a%00", "....//outside", "%252e%252e/outside", ".%2e/outside", "//etc/passwd")
    for path in tries:
        status, answer, _ = await files.get(f"/server/files/config/{path}")
        assert status in (400, 403, 404), (path, status, answer)


async def test_logs_have_every_name_that_clients_know(files: Filing) -> None:
    log = files.data / "logs"
    (log / "klippy.log").write_text("of Klippy")
    (log / "klipper-bridge.log").write_text("of the bridge")
    for name, text in (
        ("klippy.log", b"of Klippy"),
        ("moonraker.log", b"of the bridge"),
        ("klipper-bridge.log", b"of the bridge"),
    ):
        for path in (name, f"logs/{name}"):
            status, content, headers = await files.get(f"/server/files/{path}")
            assert (status, content) == (200, text), path
            assert headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_a_picture_is_there_as_soon_as_its_file_is(files: Filing) -> None:
    await files.upload("cube.gcode", PRUSA.read_bytes())
    found = await files.call("server.files.metadata", filename="cube.gcode")
    for picture in found["thumbnails"]:
        status, content, headers = await files.get(url_of("gcodes", picture["relative_path"]))
        assert (status, headers["Content-Type"], len(content)) == (200, "image/png", picture["size"])


async def test_a_stranger_gets_no_file(klippy, start: Start) -> None:
    running = await start(http={"trusted": []}, wait=False)
    assert running.bridge.http is not None
    (Path(running.bridge.config.data) / "config" / "a.cfg").write_text("x")
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"X-Api-Key": "wrong"}):
            url = f"{running.bridge.http.url}/server/files/config/a.cfg"
            async with session.get(url, headers=headers) as response:
                assert response.status == 401
