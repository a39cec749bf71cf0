"""Which link the configuration asks for: Klippy's socket, or a serial line."""

from pathlib import Path

from bridge.config import Klippy
from bridge.klippy.link import KlippyLink
from bridge.klippy.printer_link import PrinterLink
from bridge.lifecycle import Part


def link_to(settings: Klippy, gcodes: Path) -> tuple[PrinterLink, list[Part]]:
    """The link to the printer, and the parts that it needs."""
    if settings.serial is None:
        return KlippyLink(Path(settings.socket).expanduser(), timeout=settings.request_timeout), []
    from bridge.klippy.serial.link import SerialLink  # noqa: PLC0415 - few need it, and it is not small

    link = SerialLink(settings, gcodes)
    return link, [link.crew]
