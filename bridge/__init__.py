"""The bridge between a Klipper printer and home automation."""

from importlib.metadata import version

__version__ = version("klipper-bridge")
