"""Forms byte by byte: whatever the pieces, the same parts; whatever the bytes, parts or a refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BadRequest
from bridge.http_compat.disposition import Part, boundary, parameters, part
from bridge.http_compat.multipart import MAX_HEAD, MAX_PARTS, End, Event, Multipart

MARK = b"x7"
FORM = (
    b"preamble\r\n--x7\r\n"
    b'Content-Disposition: form-data; name="root"\r\n\r\ngcodes\r\n--x7\r\n'
    b'content-disposition: form-data; filename="a.gcode"; name="file"\r\nContent-Type: text/x.gcode\r\n\r\n'
    b"G28\r\n--x\r\n-\r--x7\r\n\r\n--x7 \r\r\n--x7\r\n"
    b'Content-Disposition: form-data; name="empty"\r\n\r\n\r\n--x7--\r\nepilogue'
).replace(b"\r\n--x7 \r", b"\r\n--x8 \r")


def read(form: bytes, size: int, mark: bytes = MARK) -> tuple[list[tuple[Part, bytes]], bool]:
    """Parts with their bytes, and whether the form has ended."""
    reader, parts, open_ = Multipart(mark), list[tuple[Part, bytes]](), False
    for at in range(0, len(form), size):
        for event in reader.feed(form[at : at + size]):
            open_ = take(parts, event, open_=open_)
    return parts, reader.done


def take(parts: list[tuple[Part, bytes]], event: Event, *, open_: bool) -> bool:
    if isinstance(event, Part):
        assert not open_
        parts.append((event, b""))
        return True
    assert open_
    if isinstance(event, End):
        return False
    parts[-1] = (parts[-1][0], parts[-1][1] + event)
    return True


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 61, 1000])
def test_the_parts_do_not_depend_on_the_pieces(size: int) -> None:
    parts, done = read(FORM, size)
    assert done
    assert parts == [
        (Part("root", None), b"gcodes"),
        (Part("file", "a.gcode"), b"G28\r\n--x\r\n-\r--x7\r\n\r\n--x8 \r"),
        (Part("empty", None), b""),
    ]


@given(
    content=st.binary(max_size=200) | st.text(alphabet="\r\n-x7", max_size=60).map(str.encode),
    size=st.integers(1, 40),
)
def test_any_content_without_the_boundary_comes_through(content: bytes, size: int) -> None:
    if b"\r\n--x7" in b"\r\n" + content + b"\r\n":
        return
    form = (
        b'--x7\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content + b"\r\n--x7--"
    )
    assert read(form, size) == ([(Part("file", "f"), content)], True)


@given(form=st.text(alphabet='\r\n-x7C:;= "ab', max_size=300).map(str.encode), size=st.integers(1, 50))
def test_any_bytes_are_parts_or_refused(form: bytes, size: int) -> None:
    try:
        parts, _ = read(form, size)
    except BadRequest:
        return
    assert sum(len(content) for _, content in parts) <= len(form)


@pytest.mark.parametrize(
    "form",
    [
        b"x" * 70_000,
        b"--x7garbage\r\n",
        b"--x7\r\n\r\n\r\nno headers",
        b"--x7\r\nContent-Disposition: form-data\r\n\r\nx",
        b'--x7\r\nContent-Disposition: attachment; name="file"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a"; name="b"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data;\r\n name="folded"\r\n\r\nx',
        b'--x7\r\nContent-Disposition : form-data; name="a"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a\x00b"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a\nb"\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a" junk\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a\r\n\r\nx',
        b'--x7\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nx',
        b"--x7\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-16''%00a\r\n\r\nx",
        b"--x7\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''%ff\r\n\r\nx",
        b"--x7\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''%0\r\n\r\nx",
        b"--x7\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\nx",
        b'--x7\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * (MAX_PARTS + 1),
    ],
)
@pytest.mark.parametrize("size", [7, 100_000])
def test_what_is_no_form_is_refused(form: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        read(form, size)


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('form-data; name="file"; filename="a b.gcode"', "a b.gcode"),
        ("form-data; name=file; filename=plain.gcode", "plain.gcode"),
        (r'form-data; name="file"; filename="a\"b\\c.gcode"', 'a"b\\c.gcode'),
        ('form-data; name="file"; filename="a%22b.gcode"', 'a"b.gcode'),
        ('form-data; name="file"; filename="100%.gcode"', "100%.gcode"),
        ('form-data; name="file"; filename="a;b.gcode"', "a;b.gcode"),
        ('form-data; name="file"; filename="ü.gcode"', "ü.gcode"),
        ("form-data; name=\"file\"; filename*=UTF-8''%C3%BC%20%22.gcode", 'ü ".gcode'),
        ("form-data; name=\"file\"; filename*=utf-8'en'a; filename=b", "a"),
        ('form-data; filename="x"; NAME="file"; FILENAME*=iso-8859-1\'\'%FC.gcode', "ü.gcode"),
        ('form-data; name="file"; filename=""', ""),
        ('form-data; name="file"', None),
        ('Form-Data ;name="file" ; filename="f" ; ', "f"),
    ],
)
def test_a_file_s_name_is_what_its_sender_means(disposition: str, filename: str | None) -> None:
    assert part(f"\r\nContent-Disposition: {disposition}".encode()) == Part("file", filename)


def test_a_name_that_is_not_utf_8_is_latin_1() -> None:
    assert part(b'\r\nContent-Disposition: form-data; name="file"; filename="\xfc"') == Part("file", "ü")


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('MULTIPART/Form-Data; charset=utf-8; Boundary="a b:c"', b"a b:c"),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            b"----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
    ],
)
def test_a_boundary_is_found(content_type: str, found: bytes) -> None:
    assert boundary(content_type) == found


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="a\r\nb"',
        "multipart/form-data; boundary=%61%62",
        "multipart/form-data; boundary*=utf-8''abc",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=" + "x" * 201,
        "multipart/mixed; boundary=abc",
        "multipart/form-data; boundary=a;b",
    ],
)
def test_what_cannot_be_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadRequest):
        boundary(content_type)


@given(st.text(max_size=100))
def test_any_header_is_read_or_refused(value: str) -> None:
    try:
        kind, params = parameters(value)
    except BadRequest:
        return
    assert kind == kind.lower()
    assert all(isinstance(text, str) for text in params.values())
