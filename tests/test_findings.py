"""What hostile input has found, each as a test of its own."""

import pytest

from bridge.app import describe_registry
from bridge.decoding import MAX_DEPTH, decode
from bridge.errors import BadParams, TooDeep
from bridge.http_compat.origins import Origins


def test_half_a_character_where_a_switch_is_wanted_is_refused() -> None:
    schema = describe_registry().methods["server.temperature_store"].schema
    with pytest.raises(BadParams, match="character that no text may have"):
        schema.bind({"include_monitors": "\udcff"})


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1.evil.example", "localhost@evil.example", "a/b", "localhost#x", "[::1].x"]
)
def test_a_host_header_that_is_no_host_is_not_ours(host: str) -> None:
    assert not Origins([]).knows_host(host)


def test_brackets_that_fit_a_control_s_value_are_too_deep_for_it() -> None:
    with pytest.raises(TooDeep):
        decode('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1))
