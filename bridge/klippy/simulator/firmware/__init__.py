"""Simulated firmware on a pseudo-terminal: Marlin, RepRapFirmware, Klipper's terminal; faults to order."""

from bridge.klippy.simulator.firmware.faults import LineFaults
from bridge.klippy.simulator.firmware.firmware import SimulatedFirmware

__all__ = ["LineFaults", "SimulatedFirmware"]
