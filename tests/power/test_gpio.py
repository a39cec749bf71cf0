"""Lines of this machine's, with libgpiod's own types; the chip itself is a double: test machines have none."""

import importlib
from types import SimpleNamespace

import gpiod
import pytest
from gpiod.line import Direction, Value

from bridge.errors import ConfigError
from tests.conftest import Start
from tests.power.calls import switch
from tests.wire import until


class Chip:
    """A chip at the border to the kernel: it knows the levels of its lines."""

    def __init__(self) -> None:
        self.levels: dict[int, bool] = {17: True}  # high, low
        self.settings: dict[int, gpiod.LineSettings] = {}
        self.claimed: list[tuple[str, str]] = []
        self.driven: list[tuple[int, bool]] = []

    def request_lines(
        self, path: str, *, consumer: str, config: dict[int, gpiod.LineSettings]
    ) -> SimpleNamespace:
        if path != "/dev/gpiochip0":
            raise FileNotFoundError(2, "No such file or directory", path)
        self.claimed.append((path, consumer))
        self.settings |= config
        return SimpleNamespace(
            get_value=self._get,
            set_value=self._set,
            reconfigure_lines=self._reconfigure,
            release=self.claimed.clear,
        )

    def _get(self, line: int) -> Value:
        return Value.ACTIVE if self.levels[line] != self.settings[line].active_low else Value.INACTIVE

    def _set(self, line: int, value: Value) -> None:
        assert self.settings[line].direction is Direction.OUTPUT
        self.levels[line] = (value is Value.ACTIVE) != self.settings[line].active_low
        self.driven.append((line, self.levels[line]))

    def _reconfigure(self, config: dict[int, gpiod.LineSettings]) -> None:
        self.settings |= config
        for line, settings in config.items():
            self._set(line, settings.output_value)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    one = Chip()
    monkeypatch.setattr(gpiod, "request_lines", one.request_lines)
    return one


async def test_a_line_keeps_its_level_until_it_is_switched(chip: Chip, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "gpio", "pin": "gpio17"}}, wait=False)
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "on")
    assert chip.driven == [(17, True)]  # driven to what it was
    assert chip.claimed == [("/dev/gpiochip0", "klipper-bridge")]
    assert await switch(bridge, "off") == "off"
    assert chip.levels == {17: False}


async def test_an_inverted_line_is_on_at_the_low_level(chip: Chip, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "gpio", "pin": "!gpiochip0/gpio17"}}, wait=False)
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "off")
    assert await switch(bridge, "on") == "on"
    assert chip.levels == {17: False}


async def test_a_chip_that_is_not_there_is_an_error(chip: Chip, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "gpio", "pin": "gpiochip9/gpio1"}}, wait=False)
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert "/dev/gpiochip9" in (device.reason or "")


async def test_a_pin_that_is_none_is_told(start: Start) -> None:
    with pytest.raises(
        ConfigError, match=r"power.plug.pin: expected gpio17, gpiochip1/gpio4 or !gpio17, got 'GPIO'"
    ):
        await start(power={"plug": {"type": "gpio", "pin": "GPIO"}})


@pytest.mark.parametrize(
    ("kind", "package", "options"),
    [
        ("gpio", "gpiod", {"pin": "gpio1"}),
        ("tplink", "kasa", {"address": "a"}),
        ("serial", "serial_asyncio", {"port": "/dev/x", "preset": "lcus"}),
    ],
)
async def test_a_package_that_is_missing_is_named(
    kind: str, package: str, options: dict, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.import_module

    def missing(name: str, *more: str) -> object:
        if name == package:
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError) as caught:
        await start(power={"plug": {"type": kind, **options}})
    text = str(caught.value)
    assert text.startswith("power.plug: needs a package; in the bridge's environment: pip install '")
    assert package.replace("_", "-") in text
