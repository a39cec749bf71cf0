"""Names out of headers: a form's boundary, a part's name and file name (RFC 6266, 5987). Pure."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from bridge.errors import BadRequest

# `;name=token` or `;name="quoted"`; each can be read in one way only
_PARAM = re.compile(
    r';[ \t]*([A-Za-z0-9!#$%&+.^_|~*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))[ \t]*', re.DOTALL
)
_EXTENDED = re.compile(
    r"(utf-8|iso-8859-1)'[a-z0-9-]*'((?:[a-z0-9!#$&+.^_`|~-]|%[0-9a-f]{2})*)", re.IGNORECASE
)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046 ends at 70
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_ENCODINGS = ("7bit", "8bit", "binary")


@dataclass(frozen=True)
class Part:
    """The head of a part; without a file name it is a field."""

    name: str
    filename: str | None


def boundary(content_type: str) -> bytes:
    """The boundary that a form's Content-Type names."""
    kind, params = parameters(content_type)
    found = params.get("boundary", "")
    if kind != "multipart/form-data":
        raise BadRequest("An upload is a form: Content-Type: multipart/form-data with a boundary")
    if _BOUNDARY.fullmatch(found) is None:
        raise BadRequest("The form names no boundary that can be one (RFC 2046)")
    return found.encode()


def part(head: bytes) -> Part:
    """Name and file name of a part, by its headers."""
    headers = _headers(head)
    encoding = headers.get("content-transfer-encoding", "binary").strip().lower()
    if encoding not in _ENCODINGS:
        raise BadRequest("A part of the form is encoded; send it as it is")
    kind, params = parameters(headers.get("content-disposition", ""))
    name = params.get("name")
    if kind != "form-data" or name is None:
        raise BadRequest('A part of the form has no Content-Disposition: form-data; name="…"')
    return Part(name, _filename(params))


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """A header's value and its parameters; one that stands twice or cannot be read is refused."""
    value = value.strip()
    kind, semicolon, _ = value.partition(";")
    params: dict[str, str] = {}
    at = len(kind)
    while semicolon and at < len(value):
        found = _PARAM.match(value, at)
        if found is None:
            if value[at:].strip("; \t"):
                raise BadRequest("A header of the form cannot be read")
            break
        name = found[1].lower()
        if name in params:
            raise BadRequest(f"A header of the form names '{name}' twice")
        params[name] = found[3] if found[2] is None else re.sub(r'\\(["\\])', r"\1", found[2])
        at = found.end()
    return kind.strip().lower(), params


def _headers(head: bytes) -> dict[str, str]:
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    headers: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if not line:
            continue
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers or _CONTROL.search(line):
            raise BadRequest("A part of the form has headers that cannot be read")
        headers[name] = value
    return headers


def _filename(params: dict[str, str]) -> str | None:
    """RFC 5987's form goes before the plain one; there browsers and curl write `"` as %22."""
    extended = params.get("filename*")
    if extended is None:
        plain = params.get("filename")
        return None if plain is None else plain.replace("%22", '"')
    found = _EXTENDED.fullmatch(extended)
    if found is None:
        raise BadRequest("The file's name is not written as RFC 5987 wants it")
    try:
        return unquote_to_bytes(found[2]).decode(found[1])
    except UnicodeDecodeError as error:
        raise BadRequest("The file's name is not in the encoding it says") from error
