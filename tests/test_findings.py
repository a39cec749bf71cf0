"""What hostile input has found, each as a test of its own."""

from typing import Annotated

import pytest
from msgspec import Meta

from bridge.app import describe_registry
from bridge.decoding import MAX_DEPTH, decode
from bridge.errors import BadParams, TooDeep
from bridge.http_compat.origins import Origins
from bridge.schema import Schema


def test_half_a_character_where_a_switch_is_wanted_is_refused() -> None:
    schema = describe_registry().methods["server.temperature_store"].schema
    with pytest.raises(BadParams, match="character that no text may have"):
        schema.bind({"include_monitors": "\udcff"})


def test_a_list_in_a_query_may_come_as_one_text_whatever_is_noted_of_it() -> None:
    async def method(
        *,
        plain: list[str] = [],  # noqa: B006 - never changed
        noted: Annotated[list[str], Meta(description="x")] | None = None,
        bare: Annotated[list[str] | None, Meta(description="x")] = None,
        text: Annotated[str, Meta(max_length=9)] | None = None,
    ) -> None: ...

    schema = Schema(method)
    bound = schema.bind(dict.fromkeys(schema.params, "a,b"))
    assert bound == {"plain": ["a", "b"], "noted": ["a", "b"], "bare": ["a", "b"], "text": "a,b"}
    assert schema.bind({"noted": None})["noted"] is None


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1.evil.example", "localhost@evil.example", "a/b", "localhost#x", "[::1].x"]
)
def test_a_host_header_that_is_no_host_is_not_ours(host: str) -> None:
    assert not Origins([]).knows_host(host)


def test_brackets_that_fit_a_control_s_value_are_too_deep_for_it() -> None:
    with pytest.raises(TooDeep):
        decode('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1))
