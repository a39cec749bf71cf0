import io
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.gcode import ufp

GCODE = b";FLAVOR:Marlin\n" + b"G1 X1 Y2 E3\n" * 2000
PICTURE = b"\x89PNG\r\n\x1a\n" + b"picture"
MEMBERS = {
    "/[Content_Types].xml": b"<xml/>",
    "/Metadata/thumbnail.png": PICTURE,
    "/3D/model.gcode": GCODE,
    "/_rels/.rels": b"<xml/>",
}


def package(members, compression=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


@pytest.fixture
def place(tmp_path):
    """A package on the disk, unpacked into a folder of its own; the targets it was given."""

    class Place:
        gcode = tmp_path / "out" / "a.gcode"
        picture = tmp_path / "out" / "a.png"
        source = tmp_path / "a.ufp"

        def unpack(self, data, max_gcode=10_000_000):
            self.source.write_bytes(data)
            return ufp.unpack(self.source, self.gcode, self.picture, max_gcode=max_gcode)

        def left(self):
            return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))

    (tmp_path / "out").mkdir()
    return Place()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_gcode_and_picture_go_to_the_given_files(place, compression):
    assert place.unpack(package(MEMBERS, compression)) is True
    assert ufp.is_ufp(place.source)
    assert place.gcode.read_bytes() == GCODE
    assert place.picture.read_bytes() == PICTURE


def test_names_without_their_leading_slash_are_known_too(place):
    assert place.unpack(package({name.lstrip("/"): data for name, data in MEMBERS.items()})) is True


def test_a_package_without_a_picture_is_one(place):
    assert place.unpack(package({"/3D/model.gcode": GCODE})) is False
    assert not place.picture.exists()


def test_entries_with_other_names_go_nowhere(place):
    slips = {"../../evil": b"1", "/etc/evil": b"2", "3D/../../evil": b"3", "..\\evil": b"4"}
    assert place.unpack(package(slips | MEMBERS)) is True
    assert place.left() == ["a.ufp", "out", "out/a.gcode", "out/a.png"]


def test_more_than_the_limit_leaves_nothing(place):
    with pytest.raises(ufp.UfpError, match="more than is allowed"):
        place.unpack(package(MEMBERS), max_gcode=len(GCODE) - 1)
    assert place.left() == ["a.ufp", "out"]


def test_a_bomb_leaves_nothing(place):
    bomb = package({"/3D/model.gcode": b"\n" * 20_000_000})
    assert len(bomb) < 100_000
    with pytest.raises(ufp.UfpError, match="more than is allowed"):
        place.unpack(bomb, max_gcode=10**9)
    assert place.left() == ["a.ufp", "out"]


def test_a_bomb_that_lies_about_its_size_leaves_nothing(place):
    data = bytearray(package({"/3D/model.gcode": b"\n" * 20_000_000}))
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<L", data, at + 20, 0xFFFFFF00)  # packed size
    with pytest.raises(ufp.UfpError):
        place.unpack(data, max_gcode=10**9)
    assert place.left() == ["a.ufp", "out"]


def test_a_picture_that_is_too_large_is_left_out(place):
    large = {"/Metadata/thumbnail.png": b"\0" * (ufp.MAX_PICTURE + 1), "/3D/model.gcode": GCODE}
    assert place.unpack(package(large, zipfile.ZIP_STORED)) is False
    assert place.gcode.read_bytes() == GCODE


def test_a_directory_of_very_many_entries_is_refused_unread(place):
    many = package({f"{number:0100}": b"" for number in range(9000)} | MEMBERS, zipfile.ZIP_STORED)
    with pytest.raises(ufp.UfpError, match="more entries"):
        place.unpack(many)


def test_a_damaged_picture_takes_the_gcode_with_it(place):
    data = bytearray(package(MEMBERS, zipfile.ZIP_STORED))
    data[data.index(PICTURE) + 10] ^= 0xFF
    with pytest.raises(ufp.UfpError, match="damaged"):
        place.unpack(data)
    assert place.left() == ["a.ufp", "out"]


def test_an_archive_that_points_before_its_start_is_refused(place):
    data = bytearray(package(MEMBERS))
    at = data.rindex(b"PK\x05\x06") + 16
    struct.pack_into("<L", data, at, struct.unpack_from("<L", data, at)[0] + 1000)
    with pytest.raises(ufp.UfpError, match="damaged"):
        place.unpack(data)
    assert place.left() == ["a.ufp", "out"]


def test_an_encrypted_package_is_refused(place):
    data = bytearray(package(MEMBERS))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(mark, at + 4)
    with pytest.raises(ufp.UfpError):
        place.unpack(data)
    assert place.left() == ["a.ufp", "out"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_need_much_memory_are_refused(place, compression):
    with pytest.raises(ufp.UfpError, match="compression"):
        place.unpack(package(MEMBERS, compression))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"G28\n" * 100, package(MEMBERS)[:-30], package({})])
def test_what_is_no_package_is_refused_with_a_reason(place, data):
    with pytest.raises(ufp.UfpError, match=r"The UFP package .*\."):
        place.unpack(data)


def test_targets_that_exist_are_never_overwritten(place):
    place.picture.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        place.unpack(package(MEMBERS))
    assert place.picture.read_bytes() == b"mine"
    assert not place.gcode.exists()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_package_is_unpacked_or_refused(place, data):
    damaged = bytearray(package(MEMBERS))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    before = place.left()
    try:
        place.unpack(damaged)
    except ufp.UfpError:
        assert [name for name in place.left() if name != "a.ufp"] == [
            name for name in before if name != "a.ufp"
        ]
    place.gcode.unlink(missing_ok=True)
    place.picture.unlink(missing_ok=True)
