"""How each kind of firmware puts things."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """The words that differ."""

    introduction: tuple[str, ...]
    banner: tuple[str, ...] = ("start",)
    resend: str = "Resend: {}"
    ok_after_resend: bool = True
    advanced_ok: bool = False
    checks_lines: bool = True
    hears_at_once: bool = False  # M108 and M112, past the lines that wait
    unknown: str = 'echo:Unknown command: "{}"'
    error: str = "Error:{}"
    speed_factor: str = "FR:{:.0f}%"
    flow_factor: str = "echo:E0 Flow: {:.0f}%"
    killed: tuple[str, ...] = ("Error:Printer halted. kill() called!",)
    keepalive: str | None = "echo:busy: processing"


_CAPABILITIES = ("EEPROM", "AUTOREPORT_TEMP", "EMERGENCY_PARSER", "BABYSTEPPING", "PROMPT_SUPPORT")
_MARLIN = (
    "FIRMWARE_NAME:Marlin 2.1.2.5 (Simulated) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin "
    "PROTOCOL_VERSION:1.0 MACHINE_TYPE:Simulated 220 EXTRUDER_COUNT:1 UUID:0"
)
_REPRAP = (
    "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.4.5 "
    "ELECTRONICS: Duet WiFi 1.02 or later"
)
DIALECTS: dict[str, Dialect] = {
    "marlin": Dialect(
        introduction=(_MARLIN, *(f"Cap:{name}:1" for name in _CAPABILITIES), "Cap:PROGRESS:0"),
        banner=("start", "Marlin 2.1.2.5", "echo: Last Updated: 2026-01-01"),
        advanced_ok=True,
        hears_at_once=True,
    ),
    "marlin_plain": Dialect(
        introduction=(_MARLIN, "Cap:EEPROM:1", "Cap:AUTOREPORT_TEMP:0"), banner=("start",), keepalive=None
    ),
    "reprap": Dialect(
        introduction=(_REPRAP,),
        banner=("RepRapFirmware for Duet 2 is up and running.",),
        resend="rs {}",
        ok_after_resend=False,
        unknown='Error: Bad command: "{}"',
        error="Error: {}",
        speed_factor="Speed factor: {:.1f}%",
        flow_factor="Extrusion factor for extruder 0: {:.1f}%",
        killed=("Error: Emergency stop! Reset the controller to continue.",),
        keepalive=None,
    ),
    "klipper": Dialect(
        introduction=("FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.13.0-730-g84104bbb",),
        banner=(),
        checks_lines=False,
        hears_at_once=True,
        unknown='// Unknown command:"{}"',
        error="!! {}",
        killed=("!! Shutdown due to M112 command", "// Klipper state: Shutdown"),
        keepalive=None,
    ),
}
