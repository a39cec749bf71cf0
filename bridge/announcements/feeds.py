"""Feeds as they come, RSS, Atom or JSON, made into entries; whatever they hold is text and nothing else."""

import contextlib
import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from bridge.announcements.entry import Entry
from bridge.decoding import UNREADABLE
from bridge.errors import Unprocessable

MOST_ENTRIES = 50  # of one feed, the first ones
LONGEST_TITLE, LONGEST_TEXT, LONGEST_URL = 300, 4000, 2000
LATEST = 32_503_680_000.0  # Unix seconds; the year 3000
_TAGS = re.compile(r"<[^<>]*>")
_NO_FEED = "it is neither RSS, Atom nor JSON"

Fields = dict[str, Any]
# what feeds call things, in the order of preference
_IDS = ("guid", "id", "entry_id", "link", "url")
_TEXTS = ("description", "summary", "content_text", "content", "content_html")
_DATES = ("pubdate", "published", "date_published", "updated", "date")


def parse(content: bytes, feed: str, now: float) -> list[Entry]:
    """The entries of a feed, or Unprocessable; blocking."""
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    items = _of_json(content) if start in (b"{", b"[") else _of_xml(content)
    found: dict[str, Entry] = {}
    for fields in items:
        entry = _entry(fields, feed, now)
        if entry is not None and len(found) < MOST_ENTRIES:
            found.setdefault(entry.entry_id, entry)
    return list(found.values())


def _of_json(content: bytes) -> Iterable[Fields]:
    try:
        whole = msgspec.json.decode(content)
    except UNREADABLE as error:
        raise Unprocessable(_NO_FEED) from error
    items = whole.get("items", whole.get("entries")) if isinstance(whole, dict) else whole
    if not isinstance(items, list):
        raise Unprocessable(_NO_FEED)
    return [{str(key).lower(): value for key, value in one.items()} for one in items if isinstance(one, dict)]


def _of_xml(content: bytes) -> Iterable[Fields]:
    from defusedxml import DefusedXmlException  # noqa: PLC0415 - only who reads feeds needs it
    from defusedxml.ElementTree import ParseError, fromstring  # noqa: PLC0415

    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unprocessable(_NO_FEED) from error
    if _bare(root.tag) not in ("rss", "rdf", "feed"):
        raise Unprocessable(_NO_FEED)
    return [_of_element(one) for one in root.iter() if _bare(one.tag) in ("item", "entry")]


def _of_element(element: Any) -> Fields:
    fields: Fields = {}
    for child in element:
        name = _bare(child.tag)
        value = child.get("href") if name == "link" and child.get("href") else "".join(child.itertext())
        if name == "category":
            fields.setdefault(name, []).append(child.get("term") or value)
        else:
            fields.setdefault(name, value)
    return fields


def _bare(tag: Any) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _entry(fields: Fields, feed: str, now: float) -> Entry | None:
    title = _text(fields.get("title"), LONGEST_TITLE)
    identifier = next(_texts(fields, _IDS), "") or title
    if not title or not identifier:
        return None
    return Entry(
        entry_id=f"{feed}/{identifier}"[:LONGEST_TITLE],
        url=_url(next(_texts(fields, ("link", "url", "external_url")), "")),
        title=title,
        description=_text(next(_texts(fields, _TEXTS), ""), LONGEST_TEXT),
        priority=_priority(fields),
        date=next(_dates(fields), now),
        feed=feed,
    )


def _texts(fields: Fields, names: Iterable[str]) -> Iterator[str]:
    return (value.strip() for name in names if isinstance(value := fields.get(name), str) and value.strip())


def _text(value: Any, longest: int) -> str:
    """Plain text: web UIs may put it into a page as it is."""
    if not isinstance(value, str):
        return ""
    plain = html.unescape(_TAGS.sub("", html.unescape(_TAGS.sub("", value[: longest * 4]))))
    shown = "".join(char for char in plain if char.isprintable() or char == "\n").strip()
    return shown.replace("<", "\u2039")[:longest]


def _url(value: str) -> str:
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        return ""
    return value if scheme in ("http", "https") and len(value) <= LONGEST_URL else ""


def _priority(fields: Fields) -> Literal["normal", "high"]:
    said = [fields.get("priority"), *_listed(fields.get("category")), *_listed(fields.get("tags"))]
    return "high" if any(isinstance(one, str) and one.strip().lower() == "high" for one in said) else "normal"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dates(fields: Fields) -> Iterator[float]:
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for name in _DATES:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST:
            yield float(value)
        for reader in readers if isinstance(value, str) else ():
            with contextlib.suppress(ValueError, TypeError, OverflowError):
                when = reader(str(value).strip())
                yield (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
