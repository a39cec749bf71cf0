"""Small templates over messages: what they can, and what they cannot be made to do."""

import time

import pytest

from bridge.errors import ConfigError, Unprocessable
from bridge.template import LARGEST, Template


@pytest.mark.parametrize(
    ("text", "payload", "figure"),
    [
        ("{{ value }}", b" 21.5 ", 21.5),
        ("{{ value }}", b"1_000", None),
        ("{{ value_json.ENERGY.Total }}", b'{"ENERGY":{"Total":1.25}}', 1.25),
        ("{{ value_json['a b'][0] | float * 1000 }}", b'{"a b":["2"]}', 2000.0),
        ("{{ value_json.x }}", b'{"y":1}', None),
        ("{{ value_json.x | default('off') }}", b'{"y":1}', "off"),
        ("{{ value_json.on }}", b'{"on":true}', True),
        ("{% if value_json.p > 5 %}busy{% else %}idle{% endif %}", b'{"p":7}', "busy"),
        ("{{ value }}", b"NaN", None),
        ("{{ value }}", b"unavailable", None),
        ("{{ value }}", b"\xff", "\ufffd"),
    ],
)
def test_a_template_makes_a_figure_of_a_message(text: str, payload: bytes, figure: object) -> None:
    assert Template(text, "x").figure(payload) == figure


@pytest.mark.parametrize(
    "text",
    [
        "{{ value_json.a.b }}",
        "{{ 1 / 0 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ [0] * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ value.__init__.__globals__ }}",
        "{{ range(100) }}",
    ],
)
def test_what_does_not_fit_or_would_do_harm_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    with pytest.raises(Unprocessable):
        Template(text, "x").render(b"1")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ x", "x: not a template"),
        ("{{ value | nosuch }}", "x: not a template"),
        ("{% for a in value %}{{ a }}{% endfor %}", "x: loops, macros and imports are not taken here"),
        ("{% include 'a' %}", "x: loops, macros and imports are not taken here"),
        ("x" * 3000, "x: 3000 characters long, at most 2000 are taken"),
    ],
)
def test_a_template_that_is_none_is_told_with_its_path(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Template(text, "x")
    assert str(caught.value).startswith(message)


def test_a_giant_message_is_not_looked_at() -> None:
    with pytest.raises(Unprocessable, match="at most 65536 are looked at"):
        Template("{{ value }}", "x").render(b"1" * (LARGEST + 1))
