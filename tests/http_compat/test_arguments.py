"""Arguments as clients send them: hints, forms, bodies, names that are data."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bridge.http_compat.arguments import MAX_FIELDS
from tests.http_compat.house import House

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("text=hello", {"text": "hello"}),
    ("text=a+b%2Bc%20d", {"text": "a b+c d"}),
    ("text=%C3%BC%26%3D%23", {"text": "ü&=#"}),
    ("text=a:b", {"text": "a:b"}),
    ("count=7", {"count": 7}),
    ("count:int=7", {"count": 7}),
    ("value:int=-7", {"value": -7}),
    ("value:float=1.5", {"value": 1.5}),
    ("value:bool=true", {"value": True}),
    ("value:bool=False", {"value": False}),
    ("value=7", {"value": "7"}),
    ("value:json=%7B%22foo%22%3A21.5%2C%22bar%22%3A%22hello%22%7D", {"value": {"foo": 21.5, "bar": "hello"}}),
    ("value:json=null&count=1", {"count": 1}),
    ("enabled=true&ratio=0.5", {"enabled": True, "ratio": 0.5}),
    ("names=a,b,c", {"names": ["a", "b", "c"]}),
    ("names:json=%5B%22a,b%22%5D", {"names": ["a,b"]}),
    ("text=first&text=last", {"text": "last"}),
    ("unknown=1&text=x", {"text": "x"}),
    ("&&text=x&", {"text": "x"}),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
async def test_a_query_becomes_typed_arguments(bare: House, query: str, expected: dict[str, Any]) -> None:
    assert await bare.get(f"/sample/echo?{query}") == expected


BODIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"json": {"text": "x", "count": 3}}, {"text": "x", "count": 3}),
    ({"json": {"value": [1, {"a": None}]}}, {"value": [1, {"a": None}]}),
    ({"data": {"text": "a b", "count": "3"}}, {"text": "a b", "count": 3}),
    ({"data": "value:int=3&text=x", "headers": FORM}, {"value": 3, "text": "x"}),
    ({"data": '{"text":"x"}', "headers": FORM}, {"text": "x"}),  # curl -d without a Content-Type
    ({"data": '{"text":"x"}', "headers": {"Content-Type": "text/plain"}}, {"text": "x"}),
    (
        {"data": b'{"text":"\xc3\xbc"}', "headers": {"Content-Type": "application/json; charset=utf-8"}},
        {"text": "ü"},
    ),
    ({"data": b"", "headers": JSON}, {}),
    ({"data": b"  ", "headers": JSON}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("options", "expected"), BODIES)
async def test_a_body_becomes_arguments(
    bare: House, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    status, body, _ = await bare.fetch("POST", "/sample/echo", **options)
    assert (status, body) == (200, {"result": expected})


async def test_a_multipart_form_gives_its_text_fields(bare: House) -> None:
    form = aiohttp.FormData()
    form.add_field("text", "x")
    form.add_field("count:int", "4")
    form.add_field("file", b"G28", filename="a.gcode")
    status, body, _ = await bare.fetch("POST", "/sample/echo", data=form)
    assert (status, body) == (200, {"result": {"text": "x", "count": 4}})


async def test_the_body_wins_over_the_query(bare: House) -> None:
    status, body, _ = await bare.fetch("POST", "/sample/echo?text=query&count=1", json={"text": "body"})
    assert (status, body) == (200, {"result": {"text": "body", "count": 1}})


async def test_a_body_in_chunks_is_read_to_its_end(bare: House) -> None:
    async def parts() -> Any:
        for part in (b'{"te', b'xt": "', b'x"}'):
            yield part
            await asyncio.sleep(0)

    status, body, _ = await bare.fetch("POST", "/sample/echo", data=parts(), headers=JSON)
    assert (status, body) == (200, {"result": {"text": "x"}})


OPEN: list[tuple[str, dict[str, Any]]] = [
    (
        "gcode_move&toolhead&extruder=target,temperature",
        {"gcode_move": None, "toolhead": None, "extruder": ["target", "temperature"]},
    ),
    ("fan=", {"fan": None}),
    ("temperature_sensor%20a+b=temperature", {"temperature_sensor a b": ["temperature"]}),
    ("heater_fan%20x%3Ay", {"heater_fan x:y": None}),
    ("objects:json=%7B%22fan%22%3Anull%7D", {"fan": None}),
]


@pytest.mark.parametrize(("query", "expected"), OPEN)
async def test_names_that_are_data_need_no_declaration(
    bare: House, query: str, expected: dict[str, Any]
) -> None:
    assert await bare.get(f"/sample/query?{query}") == expected


async def test_names_that_are_data_may_come_as_a_form_or_as_json(bare: House) -> None:
    form = await bare.fetch("POST", "/sample/query", data="fan&extruder=target", headers=FORM)
    assert form[1] == {"result": {"fan": None, "extruder": ["target"]}}
    body = await bare.fetch("POST", "/sample/query", json={"objects": {"fan": ["speed"]}})
    assert body[1] == {"result": {"fan": ["speed"]}}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("?count=abc", {}, "count"),
    ("?value:int=abc", {}, "Argument 'value': expected a whole number, got 'abc'"),
    ("?value:float=nan", {}, "a number"),
    ("?value:bool=maybe", {}, "true or false"),
    ("?value:json={", {}, "JSON"),
    ("", {"data": b"{", "headers": JSON}, "not JSON"),
    ("", {"data": b'\xff{"a":1}', "headers": JSON}, "not JSON"),
    ("", {"data": b"[1]", "headers": JSON}, "JSON object"),
    ("", {"data": b"3", "headers": JSON}, "JSON object"),
    ("", {"data": b"<xml/>", "headers": {"Content-Type": "application/xml"}}, "Content-Type"),
    ("", {"data": b"no multipart", "headers": {"Content-Type": "multipart/form-data"}}, "multipart"),
    ("", {"data": b"broken", "headers": {"Content-Encoding": "gzip", **JSON}}, ""),
    ("?" + "a=1&" * (MAX_FIELDS + 1), {}, "at most"),
]


@pytest.mark.parametrize(("query", "options", "hint"), WRONG)
async def test_what_cannot_be_read_is_told_with_400(
    bare: House, query: str, options: dict[str, Any], hint: str
) -> None:
    status, body, _ = await bare.fetch("POST", f"/sample/echo{query}", **options)
    assert status == 400
    assert body["error"]["code"] == 400
    assert hint in body["error"]["message"]
