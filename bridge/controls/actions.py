"""What every printer can be told to do."""

from bridge.controls.control import Control, button
from bridge.klippy import gcode
from bridge.klippy.commands import Commands


def actions(commands: Commands) -> list[Control]:
    """The buttons of every printer; the last three help also while Klippy is not ready."""
    return [
        button("pause", "Pause", commands.pause),
        button("resume", "Resume", commands.resume),
        button("cancel", "Cancel", commands.cancel),
        button("emergency_stop", "Emergency stop", commands.emergency_stop, always=True),
        button("firmware_restart", "Firmware restart", commands.firmware_restart, always=True),
        button("host_restart", "Host restart", commands.restart, always=True),
        *(
            _line(commands, key, name, line)
            for key, name, line in (
                ("home", "Home", gcode.home()),
                ("home_x", "Home X", gcode.home("x")),
                ("home_y", "Home Y", gcode.home("y")),
                ("home_z", "Home Z", gcode.home("z")),
                ("heaters_off", "Heaters off", "TURN_OFF_HEATERS"),
                ("motors_off", "Motors off", "M84"),
                ("query_endstops", "Query endstops", "QUERY_ENDSTOPS"),
            )
        ),
    ]


def _line(commands: Commands, key: str, name: str, line: str) -> Control:
    async def act() -> None:
        await commands.script(line)

    return button(key, name, act)
