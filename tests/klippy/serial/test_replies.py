"""What firmware says, and what becomes of lines on the way."""

import pytest

from bridge.klippy.serial.firmware import introduced
from bridge.klippy.serial.heat import Heat
from bridge.klippy.serial.lines import LineSplitter, bare, commands, fitting, numbered
from bridge.klippy.serial.motion import Motion
from bridge.klippy.serial.replies import Kind, Reply, understood


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ok", Reply(Kind.OK)),
        ("ok N12 P15 B3", Reply(Kind.OK, "", 12, 3)),
        ("ok P15 B3", Reply(Kind.OK, "", None, 3)),
        ("ok T:20.1 /0.0 B:21.0 /0.0 @:0 B@:0", Reply(Kind.OK, "T:20.1 /0.0 B:21.0 /0.0 @:0 B@:0")),
        ("ok B:20.1 /0.0 T0:21.0 /0.0", Reply(Kind.OK, "B:20.1 /0.0 T0:21.0 /0.0")),
        ("okay then", Reply(Kind.TEXT, "okay then")),
        ("Resend: 7", Reply(Kind.RESEND, "", 7)),
        ("Resend:N7", Reply(Kind.RESEND, "", 7)),
        ("rs 7", Reply(Kind.RESEND, "", 7)),
        ("rs N7", Reply(Kind.RESEND, "", 7)),
        ("wait", Reply(Kind.WAIT)),
        ("waiting for you", Reply(Kind.TEXT, "waiting for you")),
        ("echo:busy: processing", Reply(Kind.BUSY, "processing")),
        ("busy: paused for user", Reply(Kind.BUSY, "paused for user")),
        ("start", Reply(Kind.START)),
        ("Error:checksum mismatch, Last Line: 4", Reply(Kind.FAULTY, "checksum mismatch, Last Line: 4")),
        ("Error:Line Number is not Last Line Number+1, Last Line: 4",
         Reply(Kind.FAULTY, "Line Number is not Last Line Number+1, Last Line: 4")),
        ("Error:Probing Failed", Reply(Kind.ERROR, "Probing Failed")),
        ("!! Must home axis first", Reply(Kind.ERROR, "Must home axis first")),
        ("Error:Printer halted. kill() called!", Reply(Kind.HALT, "Printer halted. kill() called!")),
        ("Error:Thermal Runaway, system stopped! Heater_ID: 0",
         Reply(Kind.HALT, "Thermal Runaway, system stopped! Heater_ID: 0")),
        ("Error:!! STOP called because of BLTouch error - restart with M999",
         Reply(Kind.HALT, "STOP called because of BLTouch error - restart with M999")),
        ("Error:STOP called because of unhomed error - restart with M999",
         Reply(Kind.HALT, "STOP called because of unhomed error - restart with M999")),
        ("Error:Printer stopped due to errors. Fix the error and use M999 to restart.",
         Reply(Kind.HALT, "Printer stopped due to errors. Fix the error and use M999 to restart.")),
        ("// Klipper state: Shutdown", Reply(Kind.HALT, "Klipper state: Shutdown")),
        ("// Klipper state: Disconnect", Reply(Kind.LOSS)),
        ("//action:pause", Reply(Kind.ACTION, "pause")),
        ("// action:prompt_begin Hello", Reply(Kind.ACTION, "prompt_begin Hello")),
        ("T:20.1 /0.0 B:21.0 /0.0 @:0 B@:0", Reply(Kind.REPORT, "T:20.1 /0.0 B:21.0 /0.0 @:0 B@:0")),
        ('echo:Unknown command: "FOO"', Reply(Kind.TEXT, 'echo:Unknown command: "FOO"')),
        ("X:1.00 Y:2.00 Z:3.00 E:4.00 Count X:80 Y:160 Z:1200",
         Reply(Kind.TEXT, "X:1.00 Y:2.00 Z:3.00 E:4.00 Count X:80 Y:160 Z:1200")),
    ],
)  # fmt: skip
def test_a_line_of_the_firmware_is_understood(line: str, reply: Reply) -> None:
    assert understood(line) == reply


def test_two_lines_in_one_read_half_a_line_and_noise() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"ok\nResend: 4\no") == ["ok", "Resend: 4"]
    assert splitter.feed(b"k\r\n\r\n\xff\xfe\x00ok\n\x80\x81\n") == ["ok", "ok"]
    assert splitter.feed(b"\x00" * 5000) == []
    assert splitter.dropped == 5000
    assert splitter.feed(b"ok\n") == ["ok"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"G1 X1 ; home", b"G1 X1"),
        (b"; all of it", b""),
        (b"N12 G1 X1*45", b"G1 X1"),
        (b"  G1\tX1\r", b"G1 X1"),
        (b'PRINT FILENAME="a;b.gcode" ; c', b'PRINT FILENAME="a;b.gcode"'),
        (b'PRINT FILENAME="a \\";b" ; "c"', b'PRINT FILENAME="a \\";b"'),
        (b'M117 5" wide; "c', b'M117 5" wide'),
        (b'PRINT FILENAME="a;b', b"PRINT FILENAME="),
        (b"M117 a\rM112", b"M117 a M112"),
        (b"M117 a\x00\x0b\x0cb\x7f", b"M117 a   b"),
        (b"M117 5*3", b"M117 5*3"),
        ("M117 Größe".encode(), "M117 Größe".encode()),
    ],
)
def test_what_is_sent_is_one_command_and_nothing_else(line: bytes, command: bytes) -> None:
    assert bare(line) == command


def test_a_script_is_its_lines() -> None:
    assert commands("G28\nG1 X1 ; go\r\n\n;c\rM105") == [b"G28", b"G1 X1", b"M105"]


def test_a_line_too_long_is_no_line_but_a_text_may_end_early() -> None:
    assert fitting(b"G1 X1") == b"G1 X1"
    assert fitting(b"G1 " + b"X1 " * 40) is None
    shortened = fitting(b"M117 " + "ö".encode() * 60)
    assert shortened is not None
    assert len(shortened) <= 81
    shortened.decode()


def test_a_number_and_a_checksum_are_as_the_firmware_reckons_them() -> None:
    assert numbered(0, b"M110 N0") == b"N0 M110 N0*125\n"
    assert numbered(3, b"T0") == b"N3 T0*57\n"


def test_the_firmware_introduces_itself() -> None:
    marlin = introduced(
        ["FIRMWARE_NAME:Marlin 2.1.2 (Github) SOURCE_CODE_URL:x MACHINE_TYPE:Ender-3 EXTRUDER_COUNT:1 UUID:1",
         "Cap:AUTOREPORT_TEMP:1", "Cap:PROGRESS:0", "ok"]
    )  # fmt: skip
    assert (marlin.version, marlin.dialect) == ("Marlin 2.1.2 (Github) (Ender-3)", "marlin")
    assert marlin.can("AUTOREPORT_TEMP")
    assert not marlin.can("PROGRESS")
    duet = introduced(["FIRMWARE_NAME: RepRapFirmware for Duet 2 FIRMWARE_VERSION: 3.4.5 ELECTRONICS: Duet"])
    assert (duet.version, duet.dialect) == ("RepRapFirmware for Duet 2 3.4.5", "reprap")
    klipper = introduced(["FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.13"])
    assert not klipper.is_numbered
    assert [one.tells_factors for one in (marlin, duet, klipper)] == [True, True, False]
    assert not introduced(["FIRMWARE_NAME:Repetier_1.0.4 MACHINE_TYPE:Mendel"]).tells_factors
    assert introduced(["ok"]).version == "unknown firmware"


def test_temperatures_and_power_are_read_for_one_tool_and_for_two() -> None:
    heat = Heat(2, bed=True, chamber=True)
    heat.heard("T:25.0 /0.0 B:60.1 /60.0 T0:25.0 /200.0 T1:26.5 /0.0 C:30.0 /40.0 @:0 B@:127 @0:64 @1:0", 0)
    assert (heat.heaters["extruder"].temperature, heat.heaters["extruder"].target) == (25.0, 200.0)
    assert heat.heaters["extruder1"].temperature == 26.5
    assert heat.heaters["heater_bed"].power == 1.0
    assert heat.heaters["heater_generic chamber"].target == 40.0
    single = Heat(1, bed=False, chamber=False)
    single.heard("T:19.5 /10.0 B:1.0 /2.0 @:127", 0)
    assert (single.heaters["extruder"].temperature, single.heaters["extruder"].power) == (19.5, 1.0)
    single.took(b"M104 S210", 0)
    assert single.heaters["extruder"].target == 210.0


def test_motion_follows_what_was_sent() -> None:
    motion = Motion()
    for line in (b"G28 X Y", b"G90", b"G1 X10 Y20.5 F3000", b"M83", b"g1 x12 e2.5", b"G1 E-1", b"G1 E1", b"M106 S127.5",
                 b"G91", b"G1 Z5", b"G92 E0", b"M220 S150", b"M221 S95", b"M290 Z0.05", b"T1"):  # fmt: skip
        motion.took(line)
    assert motion.homed == "xy"
    assert motion.position == [12.0, 20.5, 5.0, 0.0]
    assert motion.filament == 2.5
    assert (motion.fan, motion.speed_factor, motion.flow_factor) == (0.5, 1.5, 0.95)
    assert (motion.z_offset, motion.tool, motion.feedrate) == (0.05, 1, 3000.0)
    motion.took(b"G28")
    assert motion.homed == "xyz"
    motion.took(b"M84")
    assert motion.homed == ""
    assert motion.heard("X:1.00 Y:2.00 Z:3.00 E:4.00 Count X:80 Y:160 Z:1200")
    assert motion.position == [1.0, 2.0, 3.0, 4.0]
    assert motion.heard("FR:120%")
    assert motion.heard("echo:E0 Flow: 90%")
    assert (motion.speed_factor, motion.flow_factor) == (1.2, 0.9)
    assert motion.heard("Speed factor: 80.0%")
    assert motion.heard("Extrusion factor for extruder 0: 97.5%")
    assert (motion.speed_factor, motion.flow_factor) == (0.8, 0.975)
