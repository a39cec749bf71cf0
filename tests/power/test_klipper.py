"""What Klipper switches: pins, lights and macros."""

import asyncio

import pytest

from bridge.errors import ConfigError
from bridge.klippy.simulator import Simulator
from tests.conftest import Start
from tests.power.calls import Refused, call, switch
from tests.wire import until


async def test_a_pin_is_switched_and_followed(klippy: Simulator, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "klipper_device", "object_name": "output_pin caselight"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "off")
    assert await switch(bridge, "on") == "on"
    assert "SET_PIN PIN=caselight VALUE=1" in klippy.executed
    await call(bridge, "printer.gcode.script", script="SET_PIN PIN=caselight VALUE=0")  # by hand
    await until(lambda: device.state == "off")


async def test_a_light_is_switched_on_in_all_its_channels_and_followed(
    klippy: Simulator, start: Start
) -> None:
    bridge = await start(power={"plug": {"type": "klipper_device", "object_name": "led  status"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "on")
    assert await switch(bridge, "off") == "off"
    assert await switch(bridge, "on") == "on"
    assert "SET_LED LED=status RED=1 GREEN=1 BLUE=1 WHITE=1 SYNC=0" in klippy.executed
    assert await switch(bridge, "off") == "off"
    assert "SET_LED LED=status RED=0 GREEN=0 BLUE=0 WHITE=0 SYNC=0" in klippy.executed
    await call(bridge, "printer.gcode.script", script="SET_LED LED=status BLUE=0.2")  # by hand
    await until(lambda: device.state == "on")


async def test_a_macro_is_called_with_a_value_and_followed_by_its_variable(
    klippy: Simulator, start: Start
) -> None:
    variables = {"value": 0}
    klippy.printer.objects["gcode_macro GREET"] = lambda: dict(variables)
    bridge = await start(power={"plug": {"type": "klipper_device", "object_name": "gcode_macro GREET"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "off")
    for action, value in (("on", 1), ("off", 0)):
        switching = asyncio.ensure_future(switch(bridge, action))
        await until(lambda value=value: f"GREET VALUE={value}" in klippy.executed)
        variables["value"] = value  # as the macro itself sets it
        assert await switching == action


async def test_it_is_not_known_while_klippy_is_down(klippy: Simulator, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "klipper_device", "object_name": "output_pin caselight"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "off")
    klippy.shut_down("test")
    await until(lambda: device.state == "init")
    with pytest.raises(Refused, match="Klippy is shutdown"):
        await switch(bridge, "on")


async def test_what_klipper_does_not_have_is_an_error_that_names_it(klippy: Simulator, start: Start) -> None:
    bridge = await start(power={"plug": {"type": "klipper_device", "object_name": "output_pin nothing"}})
    device = bridge.bridge.surroundings.rack.get("plug")
    await until(lambda: device.state == "error")
    assert device.reason == "Klipper has no [output_pin nothing]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"object_name": "heater_bed"},
            "power.plug.object_name: expected a name behind one of output_pin, gcode_macro, led",
        ),
        (
            {"object_name": "led a", "off_when_shutdown": True},
            "power.plug.off_when_shutdown: Klipper switches this one, and does so only when ready",
        ),
    ],
)
async def test_a_mistake_in_the_configuration_names_its_path(
    options: dict, message: str, start: Start
) -> None:
    with pytest.raises(ConfigError) as caught:
        await start(power={"plug": {"type": "klipper_device", **options}})
    assert str(caught.value).startswith(message)
