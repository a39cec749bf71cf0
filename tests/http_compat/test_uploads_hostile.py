"""Uploads when things go wrong: bytes that smuggle, disks that fill, many at once, packages that lie."""

import asyncio
import contextlib
import hashlib
import json
import resource
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.files import incoming
from tests.conftest import Start
from tests.filing import BOUNDARY, LONG, PRUSA, SHORT, Filing, body, filing, form_type, part, url_of
from tests.wire import PATIENCE, until

UPLOAD = "/server/files/upload"


def sample(size: int, seed: int = 1) -> bytes:
    """Bytes with line ends and marks in them that look like a boundary's beginning."""
    line = f"G1 X{seed} Y2\r\n--{BOUNDARY[:-1]}\r\n-\r".encode()
    return (line * (size // len(line) + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, incoming.BLOCK - 1, incoming.BLOCK, 3_000_001])
async def test_every_byte_arrives(files: Filing, size: int) -> None:
    content = sample(size)
    await files.upload("bytes.gcode", content, checksum=hashlib.sha256(content).hexdigest())
    assert (files.gcodes / "bytes.gcode").read_bytes() == content


ELSEWHERE = (
    ("../x.gcode", ""),
    ("a/../../x.gcode", ""),
    ("x.gcode", ".."),
    ("x.gcode", "a/../.."),
    ("..", ""),
    (".", ""),
    ("a/", ""),
    ("", ""),
    ("a\\..\\..\\x.gcode", ""),
    ("x\x00.gcode", ""),
    ("x\n.gcode", ""),
    ("x\u2028.gcode", ""),
    ("x" * 256, ""),
    ("ü" * 128, ""),
    (f".{'0' * 32}.part", ""),
    ("x.gcode", "a/" * 101),
    ("x.gcode", "\u0085"),
)


async def test_a_name_that_leads_elsewhere_is_refused(files: Filing) -> None:
    def there() -> list[Path]:
        return sorted(path for path in files.data.rglob("*") if path.parent.name != "bridge")

    before = there()
    for filename, path in ELSEWHERE:
        raw = f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
        status, answer, _ = await files.post(UPLOAD, body([part("path", path), raw + SHORT]))
        assert (filename, path, status) == (filename, path, 400)
        assert str(files.data) not in json.dumps(answer)
        assert "Traceback" not in json.dumps(answer)
        assert there() == before, (filename, path)


async def test_a_name_of_255_bytes_is_taken_with_its_pictures(files: Filing) -> None:
    name = "ü" * 124 + "x.gcode"
    assert len(name.encode()) == 255
    await files.upload(name, PRUSA.read_bytes())
    pictures = await files.call("server.files.thumbnails", filename=name)
    assert (await files.get(url_of("gcodes", pictures[0]["thumbnail_path"])))[0] == 200


async def test_what_a_file_s_headers_smuggle_in_means_nothing(files: Filing) -> None:
    """OctoPrint's CVE-2025-48067 and its sequel: fields that only a second parser sees."""
    smuggled = (
        b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a.gcode%0D%0AContent-Disposition"
        b"%3A%20form-data%3B%20name%3D%22root%22\r\n\r\n" + SHORT
    )
    assert (await files.post(UPLOAD, body([smuggled])))[0] == 400
    inner = body([part("root", "config"), part("path", "../.."), part("file.path", "/etc/passwd")])
    smuggling = [part("file.path", "/etc/passwd"), part("file", inner, filename="in.gcode")]
    odd_case = {"content-TYPE": f'MULTIPART/form-data; Boundary="{BOUNDARY}"'}
    assert (await files.post(UPLOAD, body(smuggling), odd_case))[0] == 400
    assert list(files.gcodes.iterdir()) == []
    other = inner.replace(BOUNDARY.encode(), b"other")
    status, answer, _ = await files.post(UPLOAD, body([part("file", other, filename="in.gcode")]))
    assert (status, answer["item"]["root"]) == (201, "gcodes")
    assert (files.gcodes / "in.gcode").read_bytes() == other
    assert list(files.config.iterdir()) == []


async def test_a_root_that_cannot_be_written_is_refused(files: Filing) -> None:
    for root, status in (("logs", 403), ("nowhere", 404), ("../config", 404), ("config/..", 404)):
        parts = [part("root", root), part("file", SHORT, filename="x")]
        for either in (parts, parts[::-1]):
            assert (await files.post(UPLOAD, body(either)))[0] == status
            assert files.left_over() == []


async def test_a_folder_and_a_link_that_leads_away_are_not_written_to(files: Filing, tmp_path: Path) -> None:
    (files.gcodes / "dir").mkdir()
    (files.gcodes / "away").symlink_to(tmp_path)
    (files.gcodes / "away.gcode").symlink_to(tmp_path / "x.gcode")
    for filename, status in (("dir", 400), ("away/x.gcode", 403), ("away.gcode", 403)):
        assert (await files.post(UPLOAD, body([part("file", SHORT, filename=filename)])))[0] == status
    assert not (tmp_path / "x.gcode").exists()
    assert files.left_over() == []


async def test_an_upload_without_a_length_is_taken(files: Filing) -> None:
    content = body([part("file", sample(600_000), filename="a.gcode")])

    async def pieces() -> Any:
        for at in range(0, len(content), 50_000):
            yield content[at : at + 50_000]

    async with files.session.post(files.url + UPLOAD, data=pieces(), headers=form_type()) as response:
        assert response.status == 201
    assert (files.gcodes / "a.gcode").read_bytes() == sample(600_000)


async def test_eight_uploads_at_once_to_one_name_end_with_one_of_them_whole(files: Filing) -> None:
    contents = [sample(1_200_000 + number, number) for number in range(8)]
    await asyncio.gather(
        *(files.upload("same.gcode", content) for content in contents),
        *(files.upload(f"own{number}.gcode", content) for number, content in enumerate(contents)),
    )
    assert (files.gcodes / "same.gcode").read_bytes() in contents
    for number, content in enumerate(contents):
        assert (files.gcodes / f"own{number}.gcode").read_bytes() == content
    assert files.left_over() == []
    known = await files.call("server.files.metadata", filename="same.gcode")
    assert known["size"] == (files.gcodes / "same.gcode").stat().st_size


async def test_a_reader_sees_the_old_file_or_the_new_one(files: Filing) -> None:
    await files.upload("a.gcode", b"0" * 300_000)
    done = asyncio.Event()

    async def write() -> None:
        for number in range(12):
            await files.upload("a.gcode", str(number % 10).encode() * 300_000)
        done.set()

    async def read() -> None:
        while not done.is_set():
            content = (files.gcodes / "a.gcode").read_bytes()
            assert content == content[:1] * 300_000
            await asyncio.sleep(0)

    await asyncio.gather(write(), read())


async def test_prints_are_started_or_the_reason_is_told(files: Filing) -> None:
    answer = await files.upload("long.gcode", LONG, print="true")
    assert (answer["print_started"], answer["print_queued"]) == (True, False)
    await until(lambda: files.running.bridge.jobs.active == "long.gcode")
    answer = await files.upload("b.gcode", print="true")
    assert (answer["print_started"], answer["print_queued"]) == (False, False)
    assert "is printing" in answer["print_refused"]
    assert (files.gcodes / "b.gcode").read_bytes() == SHORT
    answer = await files.upload("notes.txt", print="true")
    assert "Klipper prints" in answer["print_refused"]


async def test_prints_are_queued_where_that_is_wished_for(klippy, start: Start) -> None:
    async with filing(await start(files={"queue_uploads": True})) as files:
        await files.upload("long.gcode", LONG, print="true")
        await until(lambda: files.running.bridge.jobs.active)
        answer = await files.upload("b.gcode", print="true")
        assert (answer["print_started"], answer["print_queued"]) == (False, True)
        assert "print_refused" not in answer
        status = await files.call("server.job_queue.status")
        assert [one["filename"] for one in status["queued_jobs"]] == ["b.gcode"]


async def test_no_print_starts_when_klipper_prints_from_elsewhere(
    klippy, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    async with filing(await start(files={"gcodes": str(tmp_path / "mine")})) as files:
        answer = await files.upload("a.gcode", print="true")
        assert not answer["print_started"]
        for name in (str(tmp_path / "mine"), str(tmp_path / "data/gcodes")):
            assert name in answer["print_refused"]
        assert (await files.refused("printer.print.start", filename="a.gcode"))["code"] == 409
        assert any("files.gcodes" in one for one in (await files.call("server.info"))["warnings"])


async def test_that_comparison_can_be_left_out(klippy, start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    async with filing(await start(files={"gcodes": str(tmp_path / "mine"), "check_sdcard": False})) as files:
        assert not any("files.gcodes" in one for one in (await files.call("server.info"))["warnings"])
        (files.gcodes / "a.gcode").write_bytes(SHORT)
        assert await files.call("printer.print.start", filename="a.gcode") == "ok"


def package(path: Path, gcode: bytes, picture: bytes | None = None) -> bytes:
    """Cura's package, with an entry that wants to be elsewhere."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("/3D/model.gcode", gcode)
        archive.writestr("/../../../evil.gcode", b"evil")
        if picture is not None:
            archive.writestr("/Metadata/thumbnail.png", picture)
    return path.read_bytes()


async def test_a_package_of_cura_becomes_gcode_with_a_picture(files: Filing, tmp_path: Path) -> None:
    plain = b";Generated with Cura_SteamEngine 5.7.1\n;TIME:666\nG28\n"
    await files.upload("seed.gcode", PRUSA.read_bytes())
    seed = (await files.call("server.files.thumbnails", filename="seed.gcode"))[-1]
    picture = (await files.get(url_of("gcodes", seed["thumbnail_path"])))[1]
    answer = await files.upload("cube.ufp", package(tmp_path / "x.zip", plain, picture))
    assert answer["item"]["path"] == "cube.gcode"
    assert (files.gcodes / "cube.gcode").read_bytes() == plain
    for method in ("metadata", "metascan"):
        known = await files.call(f"server.files.{method}", filename="cube.gcode")
        assert known["estimated_time"] == 666
        assert [one["width"] for one in known["thumbnails"]] == [32, 160]
    for one in await files.call("server.files.thumbnails", filename="cube.gcode"):
        assert (await files.get(url_of("gcodes", one["thumbnail_path"])))[0] == 200
    assert sorted(path.name for path in files.gcodes.iterdir()) == [".thumbs", "cube.gcode", "seed.gcode"]
    assert list(tmp_path.parent.rglob("evil*")) == []


async def test_a_damaged_package_is_refused_and_leaves_nothing(files: Filing, tmp_path: Path) -> None:
    whole = package(tmp_path / "x.zip", SHORT)
    for number, damaged in enumerate((whole[:-30], whole[:60], b"PK\x03\x04" + b"\0" * 500)):
        parts = [part("file", damaged, filename=f"bad{number}.ufp")]
        status, answer, _ = await files.post(UPLOAD, body(parts))
        assert status == 422, answer
    assert list(files.gcodes.iterdir()) == []


async def test_a_picture_that_moves_follows_its_file(files: Filing) -> None:
    await files.upload("a.gcode", PRUSA.read_bytes())
    await files.call("server.files.metadata", filename="a.gcode")
    await files.until(lambda: files.notes("notify_metadata_update"))
    await files.call("server.files.post_directory", path="gcodes/sub")
    await files.call("server.files.move", source="gcodes/a.gcode", dest="gcodes/sub/b.gcode")
    await until(lambda: len(list((files.gcodes / "sub/.thumbs").glob("b-*.png"))) == 2)
    for one in await files.call("server.files.thumbnails", filename="sub/b.gcode"):
        assert (await files.get(url_of("gcodes", one["thumbnail_path"])))[0] == 200
    assert list(files.gcodes.glob(".thumbs/*")) == []
    shutil.rmtree(files.gcodes / "sub/.thumbs")
    await files.call("server.files.metadata", filename="sub/b.gcode")  # whoever deleted them: they come back
    await until(lambda: len(list((files.gcodes / "sub/.thumbs").glob("b-*.png"))) == 2)


async def test_who_may_not_is_refused_before_the_file_comes(klippy, start: Start) -> None:
    bridge = await start(http={"trusted": [], "api_key": "right-key-of-the-test"})
    assert bridge.bridge.http is not None
    host, port = bridge.bridge.http.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
    )
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As if the disk were full behind that many bytes of a file; Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_fills_up_is_told_as_507_and_keeps_what_was_there(files: Filing) -> None:
    await files.upload("a.gcode", b"old")
    await files.upload("big.gcode", sample(2_000_000))
    form = body([part("file", sample(3_000_000), filename="a.gcode")])
    with files_of_at_most(1_000_000):
        status, answer, _ = await files.post(UPLOAD, form)
        assert (status, answer["error"]["code"]) == (507, 507)
        copy = await files.refused("server.files.copy", source="gcodes/big.gcode", dest="gcodes/c.gcode")
        packed = await files.refused(
            "server.files.zip", items=["gcodes/big.gcode"], dest="gcodes/z.zip", store_only=True
        )
        assert (copy["code"], packed["code"]) == (507, 507)
    assert (files.gcodes / "a.gcode").read_bytes() == b"old"
    assert sorted(path.name for path in files.gcodes.glob("*")) == ["a.gcode", "big.gcode"]
    await files.upload("a.gcode", sample(3_000_000))


async def status_of(files: Filing, beginning: bytes, length: int) -> int:
    """What comes of an upload of that length that has only begun."""
    host, port = files.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
        + beginning
    )
    async with asyncio.timeout(PATIENCE):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(answer.split()[1])


async def test_an_upload_that_cannot_fit_is_refused_at_once(klippy, start: Start) -> None:
    async with filing(await start(files={"max_upload": 2**60})) as files:
        size = shutil.disk_usage(files.gcodes).total + 1_000_000
        assert await status_of(files, b"", size) == 507


async def test_an_upload_that_is_larger_than_allowed_is_refused_at_once(klippy, start: Start) -> None:
    async with filing(await start(files={"max_upload": 100_000})) as files:
        assert await status_of(files, b"", 200_000) == 413


@contextlib.contextmanager
def mounted(*what: str, over: Path) -> Iterator[None]:
    """Something that is mounted for a while."""
    if subprocess.run(["mount", *what, str(over)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(over)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", over=disk):
        yield disk


async def test_a_small_disk(small_disk: Path, klippy, start: Start) -> None:
    async with filing(await start(files={"gcodes": str(small_disk), "check_sdcard": False})) as files:
        await fill(files, small_disk)
        await go_between_disks(files, small_disk)


async def fill(files: Filing, disk: Path) -> None:
    content = body([part("file", sample(7_000_000), filename="a.gcode")])
    status, answer, _ = await files.post(UPLOAD, content)
    assert status == 507
    assert "free" in answer["error"]["message"]

    async def pieces() -> Any:
        yield content

    async with files.session.post(files.url + UPLOAD, data=pieces(), headers=form_type()) as response:
        assert response.status == 507
        error = (await response.json())["error"]["message"]
        assert error.startswith("There is no room for the rest of the upload: the disk has ")
    await until(lambda: list(disk.iterdir()) == [])


async def go_between_disks(files: Filing, disk: Path) -> None:
    """What goes from one disk to another is whole as well."""
    await files.upload("small.gcode", PRUSA.read_bytes())
    moved = await files.call("server.files.move", source="gcodes/small.gcode", dest="config/small.gcode")
    assert moved["action"] == "move_file"
    assert (files.config / "small.gcode").read_bytes() == PRUSA.read_bytes()
    (files.config / "tree").mkdir()
    (files.config / "tree" / "a.gcode").write_bytes(SHORT)
    await files.call("server.files.move", source="config/tree", dest="gcodes/tree")
    assert (disk / "tree" / "a.gcode").read_bytes() == SHORT
    assert not (files.config / "tree").exists()
    form = body([part("file", SHORT, filename="x.cfg"), part("root", "config")])
    assert (await files.post(UPLOAD, form))[0] == 201
    assert (files.config / "x.cfg").read_bytes() == SHORT
    assert [one["path"] for one in await files.call("server.files.list")] == ["tree/a.gcode"]
    assert files.left_over() == []


async def test_a_move_to_another_disk_that_is_refused_changes_neither_end(
    klippy, start: Start, small_disk: Path
) -> None:
    """A file that another one is mounted on can be read and written, but neither renamed nor replaced."""
    async with filing(await start(files={"gcodes": str(small_disk), "check_sdcard": False})) as files:
        pinned, other = files.config / "pinned.cfg", files.config / "other.cfg"
        for path in (small_disk / "a.gcode", small_disk / "held", pinned, other):
            path.write_text(path.name)
        with mounted("--bind", str(small_disk / "held"), over=pinned):
            for source, dest, named in (
                ("config/pinned.cfg", "config/other.cfg", "config/pinned.cfg"),  # the source cannot go
                ("gcodes/a.gcode", "config/pinned.cfg", "config/pinned.cfg"),  # the target cannot come
            ):
                error = await files.refused("server.files.move", source=source, dest=dest)
                assert error["message"] == f"{named} cannot be changed: the system uses it"
        assert (other.read_text(), (small_disk / "a.gcode").read_text()) == ("other.cfg", "a.gcode")
        assert [*files.left_over(), *small_disk.glob(".*.part")] == []


async def test_there_must_be_room_on_the_disk_of_the_root_that_is_asked_for(
    klippy, start: Start, small_disk: Path
) -> None:
    """2 MB of that disk are for uploads: the rest is the reserve."""
    root, file = part("root", "small"), part("file", sample(3_000_000), filename="a.bin")
    roots = [{"name": "small", "path": str(small_disk), "writable": True}]
    async with filing(await start(files={"roots": roots})) as files:
        for parts in ([root, part("file", b"", filename="a.bin")], [file, root]):
            beginning = body(parts, end=False).removesuffix(b"\r\n") + f"\r\n--{BOUNDARY}".encode()
            assert await status_of(files, beginning, 3_100_000) == 507
            await until(lambda: [*files.left_over(), *small_disk.iterdir()] == [])

        async def pieces() -> Any:
            yield body([root, file])

        async with files.session.post(files.url + UPLOAD, data=pieces(), headers=form_type()) as response:
            assert response.status == 507
        assert list(small_disk.iterdir()) == []
        await files.upload("a.bin", sample(1_000_000), root="small")


async def test_a_full_disk_of_gcodes_is_no_hindrance_to_other_roots(
    klippy, start: Start, small_disk: Path
) -> None:
    async with filing(await start(files={"gcodes": str(small_disk), "check_sdcard": False})) as files:
        await files.upload("x.bin", sample(3_000_000), root="config")
        assert (files.config / "x.bin").stat().st_size == 3_000_000
