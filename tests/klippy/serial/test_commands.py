"""The command line with a printer on a serial line."""

import asyncio
import json
import re
import signal
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bridge.__main__ import main
from bridge.config import convert
from bridge.errors import ConfigError
from bridge.klippy.simulator.firmware import SimulatedFirmware
from tests.programs import configuration, program
from tests.wire import HOST, Mosquitto, free_port


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["result"]


def _soon_prints(url: str, name: str) -> bool:
    """Ask until it does, or for 10 s."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if _get(url)["status"]["print_stats"]["filename"] == name:
            return True
        time.sleep(0.05)
    return False


async def test_the_demo_prints_over_a_serial_line() -> None:
    short = Path(tempfile.mkdtemp(prefix="kb-"))
    ports = ("--mqtt-port", str(free_port()), "--http-port", str(free_port()))
    async with program("demo", "--serial", "--speed", "200", *ports, TMPDIR=str(short)) as demo:
        await demo.says("Ctrl-C ends it all")
        assert "a simulated Marlin printer on a serial line" in "\n".join(demo.out)
        found = re.search(rf"http://{HOST}:\d+", "\n".join(demo.out))
        assert found is not None
        url = f"{found[0]}/printer/objects/query?print_stats"
        assert await asyncio.to_thread(_soon_prints, url, "demo cube.gcode")
        assert (await asyncio.to_thread(_get, f"{found[0]}/printer/info"))["state"] == "ready"
        assert await demo.end(signal.SIGINT) == 0
    assert demo.err == []
    assert list(short.iterdir()) == []
    short.rmdir()


async def test_check_config_says_who_answers_or_what_to_do(
    tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(
        tmp_path,
        klippy={"serial": str(tmp_path / "tty"), "baud": 250_000},
        mqtt={"host": HOST, "port": broker.port},
        http={"port": free_port()},
    )
    async with SimulatedFirmware(tmp_path / "tty"):
        assert await asyncio.to_thread(main, ["check-config", "-c", str(path)]) == 0
    assert (
        f"klippy: Marlin 2.1.2.5 (Simulated) (Simulated 220) answers at {tmp_path}/tty"
        in capsys.readouterr().out
    )
    assert await asyncio.to_thread(main, ["check-config", "-c", str(path)]) == 1
    assert (
        f"WRONG klippy: cannot reach the printer at {tmp_path}/tty: no such port; is it plugged in"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baud": 300}, "klippy.baud"),
        ({"baud": "fast"}, "klippy.baud"),
        ({"printer": {"firmware": "grbl"}}, "klippy.printer.firmware"),
        ({"printer": {"extruders": 0}}, "klippy.printer.extruders"),
        ({"printer": {"pause_gcode": "M83"}}, "klippy.printer.pause_gcode"),
        (
            {"printer": {"on_eror": "stop"}},
            "klippy.printer.on_eror: unknown option; did you mean `on_error`?",
        ),
    ],
)
def test_a_mistake_in_the_configuration_names_its_path(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert({"klippy": {"serial": "/dev/ttyUSB0", **options}}, "bridge.yaml")
    assert message in str(caught.value)


async def test_a_simulated_printer_is_no_heir_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tty").write_text("mine")
    assert await asyncio.to_thread(main, ["simulate-serial", "--port", str(tmp_path / "tty")]) == 1
    assert "no link" in capsys.readouterr().err
    assert (tmp_path / "tty").read_text() == "mine"
