"""The command line: what each command says, its exit code, and that it ends when it is told to."""

import asyncio
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bridge.__main__ import main
from bridge.klippy.simulator import Simulator
from tests.conftest import Running, Start
from tests.programs import Listener, Refuser, configuration, program
from tests.wire import HOST, Ear, Mosquitto, free_port, until

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO   |WARNING|ERROR  ) [\w.]+: \S.*")


async def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """A command beside the test: its code, and what it said."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


# -- run


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"mqtt": {"port": "abc"}}, "bridge.yaml: mqtt.port: expected int, got 'abc'"),
        ({"http": {"trusted": ["my home"]}}, "bridge.yaml: http.trusted: expected an address or a network"),
        ({"http": {"cors_origins": ["a b"]}}, "bridge.yaml: http.cors_origins: expected an origin"),
        ({"mqtt": {"tls": {"ca": __file__}}}, "bridge.yaml: mqtt.tls: a certificate or key cannot be read"),
        ({"data": "/proc/nowhere"}, "bridge.yaml: data: /proc/nowhere cannot be written to"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sections: dict[str, Any], message: str
) -> None:
    assert main(["run", "-c", str(configuration(tmp_path, **sections))]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"klipper-bridge: {message}")
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_a_port_that_is_taken_is_told_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        path = configuration(tmp_path, http={"port": taken.getsockname()[1]})
        assert main(["run", "-c", str(path)]) == 2
    assert "bridge.yaml: http.port: cannot listen on 127.0.0.1" in capsys.readouterr().err


async def test_a_second_bridge_in_one_folder_says_who_is_there(
    tmp_path: Path, start: Start, broker: Mosquitto
) -> None:
    await start(wait=False)
    path = configuration(
        tmp_path, data=str(tmp_path / "data"), mqtt={"host": HOST, "port": broker.port}, http={"port": 0}
    )
    async with program("run", "-c", path) as second:
        assert await second.code() == 2
    assert "another klipper-bridge" in second.err[-1]
    assert "end that one" in second.err[-1]
    assert "Traceback" not in "\n".join(second.err)


async def test_the_bridge_runs_until_it_is_told_to_end(
    tmp_path: Path, broker: Mosquitto, klippy: Simulator, mqtt: Ear
) -> None:
    path = configuration(
        tmp_path,
        instance="process",
        klippy={"socket": str(tmp_path / "klippy.sock")},
        mqtt={"host": HOST, "port": broker.port},
        homeassistant={"prefix": "ha-process"},
    )
    async with program("run", "-c", path) as bridge:
        await mqtt.message("process/klipper/availability", where=lambda m: m.payload == b"online")
        assert await bridge.end(signal.SIGTERM) == 0
        await mqtt.message("process/moonraker/status", where=lambda m: m.json == {"server": "offline"})
        assert mqtt.latest("process/klipper/availability").payload == b"offline"
    assert [line for line in bridge.err if not LINE.fullmatch(line) or " INFO " not in line] == []
    assert bridge.err[-1].endswith("klipper-bridge ends")
    assert (tmp_path / "data/logs/klipper-bridge.log").read_text().splitlines() == bridge.err


@pytest.mark.torture
async def test_without_broker_and_printer_it_says_so_once_each_and_answers_all_the_same(
    tmp_path: Path,
) -> None:
    async with Refuser() as refuser:
        path = configuration(
            tmp_path,
            klippy={"socket": str(tmp_path / "nobody.sock")},
            mqtt={"host": HOST, "port": refuser.port, "username": "u", "password": "geheim"},
        )
        async with program("run", "-c", path) as bridge:
            await until(lambda: refuser.logins >= 3)
            assert await bridge.end(signal.SIGINT) == 0
    socket_told, broker_told = sorted(line.partition(": ")[2] for line in bridge.err if " INFO " not in line)
    assert socket_told.startswith(f"cannot reach Klippy at {tmp_path}/nobody.sock: no such socket; ")
    assert broker_told.startswith(f"no connection to the broker {HOST}:{refuser.port}: ")
    assert broker_told.endswith("Not authorized; check mqtt.username and mqtt.password")
    assert "geheim" not in "".join(bridge.err)


async def test_a_broker_that_never_answers_does_not_delay_the_end(tmp_path: Path) -> None:
    async with Listener() as mute:
        path = configuration(tmp_path, mqtt={"host": HOST, "port": mute.port})
        async with program("run", "-c", path) as bridge:
            await bridge.says("cannot reach Klippy")
            assert await bridge.end() == 0


# -- demo


async def test_the_demo_finds_free_ports_and_its_commands_work() -> None:
    short = Path(tempfile.mkdtemp(prefix="kb-"))  # a socket's path has at most 107 bytes
    with socket.socket() as one, socket.socket() as other:
        for taken in (one, other):
            taken.bind((HOST, 0))
            taken.listen()
        ports = [str(taken.getsockname()[1]) for taken in (one, other)]
        options = ("--mqtt-port", ports[0], "--http-port", ports[1], "--speed", "100")
        async with program("demo", *options, TMPDIR=str(short)) as demo:
            await demo.says("Ctrl-C ends it all")
            assert [line for line in demo.out if "is taken" in line] == [
                line for line in demo.out if re.fullmatch(r"Port \d+ is taken; it is \d+ instead\.", line)
            ]
            for printed, expected in _printed_commands(demo.out):
                assert expected in await asyncio.to_thread(_output_of, printed), printed
            assert await demo.end(signal.SIGINT) == 0
    assert demo.err == []
    assert list(short.iterdir()) == []
    short.rmdir()


def _printed_commands(lines: list[str]) -> list[tuple[str, str]]:
    """Each command that the demo tells of and this machine has, with what its output must hold."""
    text = "\n".join(lines).replace("\\\n", " ")
    expected = {
        "mosquitto_sub": "moonraker/status",
        "mosquitto_pub": "",
        "mosquitto_rr": '"result":{"state":"ready"',
        "curl": '"klippy_state":"ready"',
        "-m bridge call": "ok",
    }
    commands = [re.split(r" {2,}|without mosquitto ", line, maxsplit=1)[-1] for line in text.splitlines()]
    found = [(one, words) for one in commands for sign, words in expected.items() if sign in one]
    assert len(found) == len(expected)
    return [(one, words) for one, words in found if shutil.which(shlex.split(one)[0])]


def _output_of(line: str) -> str:
    """What a command says; a subscriber is stopped after its first messages."""
    words = shlex.split(line)
    if words[0] == "mosquitto_sub":
        words += ["-C", "60", "-W", "2"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=8).stdout


# -- check-config


async def test_check_config_is_content_when_all_is_well(
    tmp_path: Path, broker: Mosquitto, klippy: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(
        tmp_path,
        instance="checked",
        klippy={"socket": str(tmp_path / "klippy.sock")},
        mqtt={"host": HOST, "port": broker.port},
        http={"port": free_port()},
    )
    code, out, err = await command(capsys, "check-config", "-c", path)
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()] == [
        "ok    config",
        "ok    data",
        "ok    mqtt",
        "ok    mqtt",
        "note  mqtt",  # this broker lets anybody in
        "note  mqtt",  # and everywhere
        "ok    klippy",
        "ok    http",
    ]
    assert not (tmp_path / "data/bridge/id").exists()


async def test_check_config_tells_everything_that_is_wrong_and_how_to_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Refuser() as refuser:
        path = configuration(
            tmp_path,
            klippy={"socket": str(tmp_path / "nobody.sock")},
            mqtt={"host": HOST, "port": refuser.port},
            http={"port": refuser.port},
        )
        code, out, _ = await command(capsys, "check-config", "-c", path)
    assert code == 1
    assert "WRONG mqtt: no connection to the broker" in out
    assert "the broker wants a login: set mqtt.username and mqtt.password" in out
    assert f"WRONG klippy: {tmp_path}/nobody.sock: no such socket" in out
    assert f"note  http: port {refuser.port} of 127.0.0.1 is taken" in out


async def test_check_config_knows_a_broker_that_keeps_messages_to_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite elsewhere/#\n")
    rules.chmod(0o700)
    strict = Mosquitto(tmp_path, f"acl_file {rules}", "user root").start()
    try:
        path = configuration(tmp_path, mqtt={"host": HOST, "port": strict.port, "protocol": "5"})
        _, out, _ = await command(capsys, "check-config", "-c", path)
    finally:
        strict.kill()
    assert "ok    mqtt: 127.0.0.1 lets us in" in out
    assert "let this user read and write the instance's topics in the broker's access rules" in out


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("missing", "no such socket"),
        ("file", "not a socket; klippy.socket is the path that klippy.py's `-a` names"),
        ("dead", "nobody listens there; Klipper is stopped or restarting"),
        ("closing", "is Klipper well? its klippy.log tells"),
        ("silent", "Klippy did not answer 'info' within 0.2 s; is Klipper well?"),
    ],
)
async def test_check_config_tells_what_is_wrong_with_the_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, remedy: str
) -> None:
    path = tmp_path / "klippy.sock"
    if kind == "file":
        path.touch()
    elif kind == "dead":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kind == "silent":
            await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(attend, path) if kind in ("closing", "silent") else None
    klippy = {"socket": str(path), "request_timeout": 0.2}
    config = configuration(tmp_path, klippy=klippy, mqtt={"host": HOST, "port": free_port()})
    code, out, _ = await command(capsys, "check-config", "-c", config)
    if server is not None:
        server.close()
    assert code == 1
    assert remedy in next(line for line in out.splitlines() if line.startswith(f"WRONG klippy: {path}: "))
    assert "WRONG mqtt: no connection to the broker" in out
    assert "nobody listens there: is the broker running, and are mqtt.host and mqtt.port right?" in out


def test_check_config_of_a_mistaken_file_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sections in ({"mqtt": {"qos": 9}}, {"http": {"trusted": ["my home"]}}):
        assert main(["check-config", "-c", str(configuration(tmp_path, **sections))]) == 2
        said = capsys.readouterr()
        assert len(said.err.splitlines()) == 1
        assert said.out == ""


# -- call


@pytest.fixture
def config(bridge: Running, broker: Mosquitto, tmp_path: Path) -> Path:
    """The configuration of the bridge that runs in the test."""
    return configuration(tmp_path, instance=bridge.name, mqtt={"host": HOST, "port": broker.port})


async def test_call_prints_the_result(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = await command(capsys, "call", "-c", config, "printer.info")
    assert (code, err) == (0, "")
    assert json.loads(out)["state"] == "ready"


async def test_call_takes_parameters_as_json_or_text(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = '{"print_stats": ["state"]}'
    code, out, _ = await command(capsys, "call", "-c", config, "printer.objects.query", f"objects={objects}")
    assert code == 0
    assert json.loads(out)["status"] == {"print_stats": {"state": "standby"}}
    code, out, _ = await command(capsys, "call", "-c", config, "printer.gcode.script", "script=M117 a=b")
    assert (code, json.loads(out)) == (0, "ok")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no.such"], "no.such: Method 'no.such' not found (code -32601)"),
        (["printer.gcode.script"], "printer.gcode.script: Missing argument 'script' (code -32602)"),
        (["server.restart"], "server.restart: server.restart is of class 'admin'"),
    ],
)
async def test_call_tells_an_error_and_fails(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    code, out, err = await command(capsys, "call", "-c", config, *words)
    assert (code, out) == (1, "")
    assert err.startswith(told)
    assert len(err.splitlines()) == 1


@pytest.mark.torture
async def test_call_says_at_once_that_the_bridge_is_not_running(
    config: Path, bridge: Running, mqtt: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge.stop.set()
    await mqtt.message(bridge.topics.status, where=lambda m: m.json == {"server": "offline"})
    code, _, err = await command(capsys, "call", "-c", config, "printer.info")
    assert code == 1
    assert f"the bridge '{bridge.name}' is not running: it is offline on this broker" in err


async def test_call_waits_no_longer_than_it_is_told(
    tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(tmp_path, instance="nobody", mqtt={"host": HOST, "port": broker.port})
    code, _, err = await command(capsys, "call", "-c", path, "--timeout", "0.2", "printer.info")
    assert code == 1
    assert "no answer from 'nobody' within 0.2 s; is the bridge running" in err


@pytest.mark.parametrize(
    "words",
    [
        ["call", "printer.info", "value"],
        ["call", "printer.info", "=x"],
        ["call", "--timeout", "0", "printer.info"],
        ["call", "--timeout", "nan", "printer.info"],
        ["demo", "--mqtt-port", "99999"],
        ["demo", "--speed", "-1"],
        ["run", "-c", "~nobody-at-all/x"],
        ["no-such-command"],
        [],
    ],
)
def test_what_cannot_be_meant_is_refused_with_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


# -- simulate and api


async def test_the_simulator_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    path = tmp_path / "run/klippy.sock"
    async with program("simulate", "--socket", path, "--gcodes", tmp_path / "gcodes") as simulator:
        await simulator.says("A simulated Klippy listens on")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"id":1,"method":"info"}\x03')
        assert b"simulator" in await reader.readuntil(b"\x03")
        writer.close()
        assert await simulator.end() == 0
    assert not path.exists()
    assert simulator.err == []


def test_the_simulator_replaces_nothing_that_is_no_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    assert main(["simulate", "--socket", str(precious), "--gcodes", str(tmp_path / "g")]) == 1
    assert f"klipper-bridge: {precious}: There is a file that is no socket" in capsys.readouterr().err
    assert precious.read_text() == "mine"


def test_api_writes_every_description(tmp_path: Path) -> None:
    assert main(["api", "--output", str(tmp_path)]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        "docs/openrpc.json",
        "docs/openapi.json",
        "docs/asyncapi.json",
        "docs/api.md",
        "config/bridge.schema.json",
    }
