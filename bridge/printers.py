"""Which link the configuration asks for: Klippy's socket, or a serial line."""

from pathlib import Path

from bridge.config import Klippy
from bridge.klippy.link import KlippyLink
from bridge.klippy.printer_link import PrinterLink
from bridge.lifecycle import Crew, Part


class SerialCrew:
    """Owns what takes time at a printer on a serial line, as long as the bridge runs."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def open(self) -> None:
        """Nothing to acquire: a printer that is off keeps nobody from starting."""

    async def run(self) -> None:
        """Own the tasks until cancelled."""
        await self._crew.run()

    async def close(self) -> None:
        """Nothing to give back: the link hangs up by itself."""


def link_to(settings: Klippy, gcodes: Path) -> tuple[PrinterLink, list[Part]]:
    """The link to the printer, and the parts that it needs."""
    if settings.serial is None:
        return KlippyLink(Path(settings.socket).expanduser(), timeout=settings.request_timeout), []
    from bridge.klippy.serial.link import SerialLink  # noqa: PLC0415 - few need it, and it is not small

    link = SerialLink(settings, gcodes)
    return link, [SerialCrew(link.crew)]
