"""A printer that is none: Klippy's socket with a simulated machine behind it, for tests and the demo."""

from bridge.klippy.simulator.faults import Faults
from bridge.klippy.simulator.life import Timing
from bridge.klippy.simulator.printer import Printer
from bridge.klippy.simulator.sample import write_sample
from bridge.klippy.simulator.server import Simulator

__all__ = ["Faults", "Printer", "Simulator", "Timing", "write_sample"]
