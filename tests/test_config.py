"""The configuration: what is taken, and how each mistake is told."""

import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from bridge.config import Config, Discretion, Tls, convert, load, parse
from bridge.describe.export import configuration
from bridge.errors import ConfigError

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config/bridge.example.yaml"
MINIMAL = ROOT / "config/bridge.minimal.yaml"


def mistake(text: str, folder: Path = Path("/nowhere")) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, folder / "bridge.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


# -- what is wrong, by its path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mqtt: {port: abc}", "mqtt.port: expected int, got 'abc'"),
        ("mqtt: {port: 70000}", "mqtt.port: expected int <= 65535, got 70000"),
        ("mqtt: {port: 0}", "mqtt.port: expected int >= 1, got 0"),
        ("mqtt: {port: }", None),  # nothing: the default
        ("http: {port: }", "http.port: expected int, got nothing"),
        ("mqtt: {prot: 1}", "mqtt.prot: unknown option; did you mean `port`?"),
        ("mqtt: {colour: 1}", "mqtt.colour: unknown option; check the spelling and the indentation"),
        ("mqtt: {state: {polcy: full}}", "mqtt.state.polcy: unknown option; did you mean `policy`?"),
        ("klipy: {}", "klipy: unknown option; did you mean `klippy`?"),
        ("klipy:", "klipy: unknown option; did you mean `klippy`?"),
        (
            "mqtt: homeassistant.local",
            "mqtt: expected its options, indented below it, got 'homeassistant.local'",
        ),
        ("- mqtt", "expected sections such as `klippy:` and `mqtt:`, got a list"),
        ("mqtt", "expected sections such as `klippy:` and `mqtt:`, got 'mqtt'"),
        ("mqtt: {protocol: 5}", "mqtt.protocol: expected 3.1.1 or 5 or auto, got 5; put it in quotes"),
        ("mqtt: {qos: 3}", "mqtt.qos: expected 0 or 1 or 2, got 3"),
        ("mqtt: {allow: read}", "mqtt.allow: expected a list such as [a, b], got 'read'"),
        (
            "mqtt: {allow: [read, all]}",
            "mqtt.allow[1]: expected read, control, files, admin or methods such as server.files.*, got 'all'",
        ),
        ("mqtt: {deny: [Printer.*]}", "mqtt.deny[0]: expected read, control, files, admin or methods"),
        ("mqtt: {clients: {a: {allow: ['']}}}", "mqtt.clients.a.allow[0]: expected read, control, files"),
        ("mqtt: {clients: {a: {alow: []}}}", "mqtt.clients"),
        ("mqtt: {clients: {'': {}}}", "mqtt.clients: a client without a name"),
        ("instance: 2024-01-01", "instance: expected str, got 2024-01-01; put it in quotes"),
        ("instance: on", "instance: expected str, got True; put it in quotes"),
        (
            "instance: a/b",
            "instance: expected letters, digits, `_`, `-` and `.`, at most 64, got 'a/b'",
        ),
        (
            "instance: homeassistant",
            "instance: 'homeassistant' is Home Assistant's prefix; choose another name",
        ),
        (
            "mqtt: {state: {objects: {extruder: temperature}}}",
            "mqtt.state.objects: each object takes a list of its fields, or null for all of them",
        ),
        (
            "mqtt: {state: {objects: [extruder]}}",
            "mqtt.state.objects: expected lines of `name: value` below it, got a list",
        ),
        (
            "mqtt: {state: {printing_per_second: 0}}",
            "mqtt.state.printing_per_second: expected float > 0.0, got 0",
        ),
        (
            "mqtt: {state: {idle_per_minute: -1}}",
            "mqtt.state.idle_per_minute: expected float > 0.0, got -1",
        ),
        (
            "mqtt: {state: {idle_per_minute: .nan}}",
            "mqtt.state.idle_per_minute: expected float > 0.0, got nan",
        ),
        ("klippy: {request_timeout: .inf}", "klippy.request_timeout: expected float <= 3600.0, got inf"),
        (
            "klippy: {socket: ~nobody-at-all/x}",
            "klippy.socket: there is no such user as the one behind `~`",
        ),
        (
            f"klippy: {{socket: /{'a' * 120}}}",
            "klippy.socket: the path is longer than 107 bytes, which Linux refuses",
        ),
        ("mqtt: {tls: {cert: /etc/hostname}}", "mqtt.tls.key: missing; `cert` needs it"),
        ("mqtt: {tls: {key: /etc/hostname}}", "mqtt.tls.cert: missing; `key` needs it"),
        ("mqtt: {tls: {ca: /nope}}", "mqtt.tls.ca: the file cannot be read: No such file or directory"),
        ("mqtt: {tls: {ca: /}}", "mqtt.tls.ca: the file cannot be read: Is a directory"),
        (
            "mqtt: {tls: }",
            "mqtt.tls: empty, which could mean both; write `tls: {}` for TLS, or leave the line out",
        ),
        ("mqtt: {password: abc}", "mqtt.username: missing; mqtt.password alone is no login"),
        ("homeassistant: {prefix: a/+}", "homeassistant.prefix: expected a topic without wildcards"),
        ('data: "a\\0b"', "data: holds a character that no text may have"),
        ('data: "\\ud800"', "data: holds a character that no text may have"),
        (f"data: {'x' * 5000}", "data: 5000 characters long, at most 4096 are taken"),
        ("instance: ${NO_SUCH_VARIABLE}", "instance: the environment has no variable NO_SUCH_VARIABLE"),
        ("instance: ${A:-b}", "instance: expected a name, as in ${NAME}"),
    ],
)
def test_a_mistake_is_told_with_file_path_and_remedy(text: str, message: str | None) -> None:
    if message is None:
        assert parse(text, Path("bridge.yaml")) == Config()
    else:
        assert mistake(text).startswith(f"bridge.yaml: {message}")


@pytest.mark.parametrize(
    "host", ["mqtt://broker", "broker:1883", "user:geheim@broker", "a b", "[::1]", "192.168.1.2:1883", "h/x"]
)
def test_a_host_with_more_than_a_host_in_it_is_refused_without_showing_it(host: str) -> None:
    message = mistake(f'mqtt: {{host: "{host}"}}')
    assert message.startswith("bridge.yaml: mqtt.host: expected a name or an address alone")
    assert host not in message


@pytest.mark.parametrize("host", ["broker", "homeassistant.local", "192.168.1.2", "::1", "fe80::1%eth0"])
def test_a_name_or_an_address_is_a_host(host: str) -> None:
    assert parse(f'mqtt: {{host: "{host}"}}', Path("x")).mqtt.host == host


# -- what is wrong, by its line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mqtt:\n\thost: a", "line 2: not valid YAML: a tab; indent with blanks"),
        ("mqtt:\n  host: a\n  host: b", "line 3: the key 'host' stands twice"),
        ("mqtt: {}\nmqtt: {}", "line 2: the key 'mqtt' stands twice"),
        ("a: b: c", "line 1: not valid YAML: mapping values are not allowed here"),
        ("mqtt: {port: 1", "line 1: not valid YAML: expected ',' or '}'"),
        ("a: !include b.yaml", "line 1: not valid YAML: a tag that is not known here"),
        ("a: !!python/object/apply:os.getcwd []", "line 1: not valid YAML: a tag that is not known here"),
        ("---\na: 1\n---\nb: 2", "line 3: not valid YAML: but found another document"),
        ("1: 2", "line 1: expected the name of an option, a text"),
        ("? [a]\n: b", "line 1: expected the name of an option, a text"),
        ("instance: 2024-99-01", "line 1: the value cannot be read; put it in quotes"),
        (f"http: {{port: {'1' * 5000}}}", "line 1: the value cannot be read; put it in quotes"),
        ("\n\na: \x01", "line 3: a character that YAML does not take"),
    ],
)
def test_what_is_no_configuration_at_all_is_told_with_its_line(text: str, message: str) -> None:
    assert mistake(text).startswith(f"bridge.yaml, {message}")


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
        "a: &a [*a]",
        "a: &a {<<: *a}",
        "[" * 2000,
        "a: " + "{a: " * 3000,
        "- " * 3000,
        "x" * 99_999,
        "a: [" + "1, " * 10_000 + "]",
    ],
    ids=["billion laughs", "itself", "merged", "brackets", "braces", "dashes", "one word", "long list"],
)
def test_a_bomb_is_refused_at_once(bomb: str) -> None:
    began = time.process_time()
    mistake(bomb)
    assert time.process_time() - began < 5


def test_a_huge_file_is_not_even_read(tmp_path: Path) -> None:
    huge = tmp_path / "bridge.yaml"
    with huge.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(ConfigError, match=r"larger than 100000 bytes; this cannot be a configuration"):
        load(huge)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope.yaml: there is no such file; config/bridge.minimal.yaml is"):
        load(tmp_path / "nope.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"instance: a\n# \xfc")
    with pytest.raises(ConfigError, match=r"latin.yaml, line 2: not UTF-8; save the file in that encoding"):
        load(tmp_path / "latin.yaml")


# -- secrets and the environment


def test_a_secret_comes_from_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("pw: ${as it is}\n")
    config = parse("mqtt: {username: u, password: !secret pw}", tmp_path / "bridge.yaml")
    assert config.mqtt.password == "${as it is}"
    assert type(config.mqtt.password) is str


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (
            None,
            "secrets.yaml: there is no such file, and `!secret` (bridge.yaml, line 1) reads it; create it",
        ),
        ("other: x", "bridge.yaml, line 1: there is no `pw:` in secrets.yaml; add it there"),
        ("pw: !secret other", "secrets.yaml, line 1: `!secret` has no meaning in this file"),
        ("- pw", "secrets.yaml: expected lines of `name: value`"),
        ("pw: 1\npw: 2", "secrets.yaml, line 2: the key 'pw' stands twice"),
        ("pw: 'geheim", "secrets.yaml, line 1: not valid YAML"),
    ],
)
def test_a_secret_that_is_not_there_is_told(tmp_path: Path, secrets: str | None, message: str) -> None:
    if secrets is not None:
        (tmp_path / "secrets.yaml").write_text(secrets)
    told = mistake("mqtt: {username: u, password: !secret pw}", tmp_path)
    assert message in told
    assert "geheim" not in told


@pytest.mark.parametrize(
    "text",
    [
        "mqtt: {password: !secret number}",
        "mqtt: {port: !secret word}",
        "mqtt: {host: !secret spaced}",
        "instance: !secret spaced",
        "mqtt: {password: [geheim]}",
        "http: {api_key: {geheim: 1}}",
        "mqtt: {password: 4711}",
    ],
)
def test_no_mistake_shows_a_secret(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.yaml").write_text("number: 4711\nword: geheim\nspaced: geheim wort\n")
    told = mistake(text, tmp_path)
    assert "geheim" not in told
    assert "4711" not in told


def test_the_environment_fills_in_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PORT", "1884")
    monkeypatch.setenv("BROKER", "ho.st")
    config = parse("mqtt: {host: 'my-${BROKER}', port: '${BROKER_PORT}'}", Path("x"))
    assert (config.mqtt.host, config.mqtt.port) == ("my-ho.st", 1884)
    assert parse("homeassistant: {name: '$${BROKER} $5'}", Path("x")).homeassistant.name == "${BROKER} $5"


def test_a_value_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PORT", "geheim")
    assert mistake("mqtt: {port: '${BROKER_PORT}'}") == (
        "bridge.yaml: mqtt.port: expected int, got '${BROKER_PORT}'"
    )


def test_secrets_are_masked_where_the_configuration_is_shown() -> None:
    raw = {"mqtt": {"username": "u", "password": "geheim"}, "http": {"api_key": "geheim"}}
    config = convert(raw, "x")
    shown = Discretion(config).plain(config)
    assert "geheim" not in str(shown)
    assert shown["mqtt"]["password"] == shown["http"]["api_key"] == "***"
    assert shown["mqtt"]["username"] == "u"
    assert Discretion(Config()).plain(Config())["mqtt"]["password"] is None


# -- what is taken


@pytest.mark.parametrize("text", ["", "# nothing\n", "mqtt:\nklippy:\n", "{}", "\ufeff"])
def test_all_options_may_be_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "bridge.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "bridge.yaml") == Config()


def uncommented(text: str) -> str:
    """The example with the options that it shows as comments."""
    return re.sub(r"^(\s*)# (\s*[a-z_]+:)", r"\1\2", text, flags=re.MULTILINE)


def options(struct: type[Any]) -> dict[str, Any]:
    """Every option of a section with its default, sections as dicts."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        nested = default if isinstance(default, msgspec.Struct) else None
        if field.encode_name == "tls":
            found["tls"] = options(Tls)
        else:
            found[field.encode_name] = options(type(nested)) if nested is not None else default
    return found


def test_the_example_shows_every_option_with_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert load(EXAMPLE) == Config()
    assert yaml.safe_load(uncommented(text)) == options(Config)


def test_every_option_of_the_example_says_why() -> None:
    lines = uncommented(EXAMPLE.read_text(encoding="utf-8")).splitlines()
    silent = [
        line for line in lines if re.match(r" *[a-z_]+: *\S", line) and not re.search(r"\S +# ?\S", line)
    ]
    assert silent == []


def test_the_minimal_configuration_has_six_lines_that_work(tmp_path: Path) -> None:
    text = MINIMAL.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 6
    (tmp_path / "secrets.yaml").write_text("mqtt_password: geheim\n")
    config = parse(text, tmp_path / "bridge.yaml")
    assert (config.mqtt.username, config.mqtt.password) == ("printer", "geheim")


def test_every_option_has_a_description_for_editors() -> None:
    definitions = configuration()["$defs"]
    bare = [
        f"{section}.{option}"
        for section, schema in definitions.items()
        for option, described in schema["properties"].items()
        if "description" not in described and "$ref" not in described and "allOf" not in described
    ]
    assert definitions
    assert bare == []
