"""The bed mesh and its profiles."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bridge.klippy.simulator.configfile import ConfigFile
from bridge.klippy.simulator.dispatch import Command, Dispatch, Status
from bridge.klippy.simulator.line import GcodeError, Line
from bridge.klippy.simulator.toolhead import Toolhead

_LOW, _HIGH, _POINTS = 20.0, 215.0, 5
_PROBE_SECONDS = 1.5  # one point
_PARAMS = {
    "min_x": _LOW, "max_x": _HIGH, "min_y": _LOW, "max_y": _HIGH, "x_count": _POINTS, "y_count": _POINTS,
    "mesh_x_pps": 2, "mesh_y_pps": 2, "algo": "lagrange", "tension": 0.2,
}  # fmt: skip
Matrix = list[list[float]]


def _surface() -> Matrix:
    wave = [math.sin(index / _POINTS * math.pi) for index in range(_POINTS)]
    return [[round(0.12 * across - 0.07 * along, 6) for across in wave] for along in wave]


class Mesh:
    """The mesh in use, and those that are kept."""

    def __init__(self, gcode: Dispatch, toolhead: Toolhead, config: ConfigFile) -> None:
        self._gcode, self._toolhead, self._config = gcode, toolhead, config
        self._profiles: dict[str, Matrix] = {"default": _surface()}
        self._profiles.update((name, _surface()) for name in config.saved_profiles())
        self._name = ""
        self._matrix: Matrix = [[]]

    def commands(self) -> Iterable[Command]:
        """The commands it takes."""
        return (
            Command("BED_MESH_PROFILE", self._profile, "Load, save or remove a mesh"),
            Command("BED_MESH_CLEAR", lambda _: self._clear(), "Use no mesh"),
            Command("BED_MESH_CALIBRATE", self._calibrate, "Probe the bed for a new mesh"),
        )

    def _clear(self) -> None:
        self._name, self._matrix = "", [[]]

    async def _calibrate(self, line: Line) -> None:
        name = line.get("PROFILE", "default")
        for index in range(_POINTS * _POINTS):
            await self._toolhead.dwell(_PROBE_SECONDS)
            column, row = index % _POINTS, index // _POINTS
            step = (_HIGH - _LOW) / (_POINTS - 1)
            self._gcode.info(f"probe at {_LOW + column * step:.3f},{_LOW + row * step:.3f} is z=0.000000")
        self._name, self._matrix = name, _surface()
        self._keep(name)

    def _profile(self, line: Line) -> None:
        actions = {"LOAD": self._load, "SAVE": self._keep, "REMOVE": self._remove}
        for key, action in actions.items():
            if line.get(key, "").strip():
                action(line.get(key))
                return
        self._gcode.info(f"Invalid syntax '{line.text}'")

    def _load(self, name: str) -> None:
        if name not in self._profiles:
            raise GcodeError(f"bed_mesh: Unknown profile [{name}]")
        self._name, self._matrix = name, self._profiles[name]

    def _keep(self, name: str) -> None:
        if not self._matrix[0]:
            raise GcodeError(f"Unable to save to profile [{name}], the bed has not been probed")
        self._profiles = {**self._profiles, name: self._matrix}
        self._config.pend(f"bed_mesh {name}", {"points": str(self._matrix), "version": "1"})
        self._gcode.info(
            f"Bed mesh kept as profile [{name}] for this session.\nSAVE_CONFIG keeps it for good."
        )

    def _remove(self, name: str) -> None:
        if name not in self._profiles:
            self._gcode.info(f"No profile named [{name}] to remove")
            return
        self._profiles = {key: value for key, value in self._profiles.items() if key != name}
        self._config.pend(f"bed_mesh {name}", None)

    def objects(self) -> Mapping[str, Callable[[], Status]]:
        """The printer objects it shows."""
        return {"bed_mesh": self._status}

    def _status(self) -> Status:
        corners: tuple[Any, Any] = ([_LOW, _LOW], [_HIGH, _HIGH]) if self._name else ([0.0, 0.0], [0.0, 0.0])
        profiles = {
            name: {"points": points, "mesh_params": _PARAMS} for name, points in self._profiles.items()
        }
        return {
            "profile_name": self._name,
            "mesh_min": corners[0],
            "mesh_max": corners[1],
            "probed_matrix": self._matrix,
            "mesh_matrix": self._matrix,
            "profiles": profiles,
        }
