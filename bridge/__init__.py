"""The bridge between a Klipper printer and home automation."""

__version__ = "0.1.0"
