"""THE table of dialects: how each slicer names itself, and where it writes what.

A row is a field of Metadata and its readers: the first that yields a value wins. Keys of comments are in the
slicer's own case: BambuStudio's `layer_height` is the setting, its `LAYER_HEIGHT` the one of a layer.
`verified` means compared with a real file of that slicer in the tests; `seen` that the keys are those of real
files which others have published; the rest follows what is publicly known of their output. A wrong guess
costs a missing field, never an error.
"""

import re
from dataclasses import dataclass

from bridge.gcode import values
from bridge.gcode.readers import (
    Reader,
    first_layer,
    highest,
    key,
    last,
    last_line,
    line,
    named,
    numbered,
    of_plate,
    summed,
    total_of,
    unless,
    used_tools,
)
from bridge.gcode.simplify3d import bed_temperature, extruder_temperature, first_height
from bridge.gcode.source import Source

Rows = dict[str, tuple[Reader, ...]]


@dataclass(frozen=True)
class Dialect:
    """One slicer: `detect` is searched for in the comments of the head, its group is the version."""

    name: str
    detect: re.Pattern[bytes]
    rows: Rows
    verified: bool = False
    seen: bool = False


# What the G-code itself tells, whoever wrote it; read where a dialect has nothing better.
COMMON: Rows = {
    "object_height": (lambda source: source.printed_height,),
    "first_layer_extr_temp": (
        line(values.positive, rb"\nM109[ \t][^\n;]{0,60}?S([1-9][0-9]{0,3})"),
        line(values.positive, rb"\nM104[ \t][^\n;]{0,60}?S([1-9][0-9]{0,3})"),
        line(
            values.positive,
            rb"\n(?:START_PRINT|PRINT_START)[ \t][^\n;]{0,200}?"
            rb"(?:EXTRUDER|EXTRUDER_TEMP|HOTEND|HOTEND_TEMP|NOZZLE|NOZZLE_TEMP)=([1-9][0-9]{0,3})",
        ),
    ),
    "first_layer_bed_temp": (
        line(values.positive, rb"\nM190[ \t][^\n;]{0,60}?S([1-9][0-9]{0,3})"),
        line(values.positive, rb"\nM140[ \t][^\n;]{0,60}?S([1-9][0-9]{0,3})"),
        line(
            values.positive,
            rb"\n(?:START_PRINT|PRINT_START)[ \t][^\n;]{0,200}?(?:BED|BED_TEMP)=([1-9][0-9]{0,3})",
        ),
    ),
    "chamber_temp": (line(values.positive, rb"\nM(?:141|191)[ \t][^\n;]{0,60}?S([1-9][0-9]{0,3})"),),
}

_LAYER_HEIGHT = last(values.positive, "layer_height")

# Slic3r's family: `; key = value`, statistics and the whole configuration after the last move.
PRUSA: Rows = {
    "layer_count": (last(values.integer, "total layers count"),),
    "object_height": (highest("Z"),),
    "estimated_time": (
        last(
            values.duration,
            "estimated printing time (normal mode)",
            "estimated printing time",
            "estimated printing time (silent mode)",
        ),
    ),
    "nozzle_diameter": (last(values.positive, "nozzle_diameter"),),
    "layer_height": (_LAYER_HEIGHT,),
    "first_layer_height": (first_layer("first_layer_height", _LAYER_HEIGHT),),
    "first_layer_extr_temp": (last(values.number, "first_layer_temperature"),),
    "first_layer_bed_temp": (last(values.number, "first_layer_bed_temperature"),),
    "chamber_temp": (last(values.number, "chamber_temperature", "chamber_temperatures"),),
    "filament_name": (last(values.word, "filament_settings_id"),),
    "filament_type": (last(values.word, "filament_type"),),
    "filament_colors": (last(values.colors, "filament_colour"),),
    "extruder_colors": (last(values.colors, "extruder_colour"),),
    "filament_temps": (last(values.integers, "temperature"),),
    "filament_total": (total_of("filament used [mm]"),),
    "filament_weight_total": (
        last(values.number, "total filament used [g]"),
        total_of("filament used [g]"),
    ),
    "filament_weights": (last(values.numbers, "filament used [g]"),),
    "filament_change_count": (last(values.integer, "total toolchanges", "total filament change"),),
    "mmu_print": (last(values.integer, "single_extruder_multi_material"),),
    "referenced_tools": (used_tools,),
    "printer_vendor": (last(values.word, "printer_vendor"),),
    "printer_model": (last(values.word, "printer_model"),),
    "printer_variant": (last(values.word, "printer_variant"),),
    "profile_version": (last(values.word, "profile_version"),),
}

SUPER: Rows = PRUSA | {
    # Here a percentage is one of the nozzle.
    "first_layer_height": (first_layer("first_layer_height", last(values.positive, "nozzle_diameter")),),
}

SLIC3R: Rows = PRUSA | {
    "filament_total": (total_of("filament used [mm]"), summed(values.length, "filament used")),
    "filament_weight_total": (*PRUSA["filament_weight_total"], summed(values.number, "filament mass")),
}

ORCA: Rows = PRUSA | {
    "layer_count": (last(values.integer, "total layers count", "total layer number"),),
    "object_height": (key(values.positive, "max_z_height"), highest("Z"), highest("Z_HEIGHT")),
    "estimated_time": (
        line(values.duration, rb"\n;[^\n]{0,120}?total estimated time:([^\r\n]{1,60})"),
        *PRUSA["estimated_time"],
        line(values.duration, rb"\n; model printing time:([^\r\n;]{1,60})"),
    ),
    "first_layer_height": (
        first_layer("initial_layer_print_height", _LAYER_HEIGHT),
        first_layer("initial_layer_height", _LAYER_HEIGHT),
        *PRUSA["first_layer_height"],
    ),
    "first_layer_extr_temp": (
        last(values.number, "nozzle_temperature_initial_layer", "first_layer_temperature"),
    ),
    "first_layer_bed_temp": (
        last(values.number, "first_layer_bed_temperature", "bed_temperature_initial_layer_single"),
        of_plate,
    ),
    "filament_temps": (last(values.integers, "nozzle_temperature"),),
    "filament_total": (total_of("filament used [mm]", "total filament length [mm]"),),
    "filament_weight_total": (
        last(values.number, "total filament used [g]"),
        total_of("filament used [g]", "total filament weight [g]"),
    ),
    "filament_weights": (last(values.numbers, "filament used [g]", "total filament weight [g]"),),
}

CURA: Rows = {
    "layer_count": (key(values.integer, "LAYER_COUNT"),),
    "object_height": (key(values.positive, "MAXZ", "PRINT.SIZE.MAX.Z"),),
    "estimated_time": (key(values.duration, "TIME", "PRINT.TIME"),),
    "nozzle_diameter": (key(values.positive, "EXTRUDER_TRAIN.0.NOZZLE.DIAMETER"),),
    "layer_height": (key(values.positive, "Layer height"),),
    "first_layer_height": (key(values.positive, "MINZ", "PRINT.SIZE.MIN.Z"),),
    "first_layer_extr_temp": (key(values.positive, "EXTRUDER_TRAIN.0.INITIAL_TEMPERATURE"),),
    "first_layer_bed_temp": (key(values.positive, "BUILD_PLATE.INITIAL_TEMPERATURE"),),
    "filament_total": (key(values.length, "Filament used"),),
    "filament_weight_total": (key(values.number, "Filament weight"),),
}

# Up to version 4 it was a Cura with a header of its own, since 5 it is an Orca.
CREALITY: Rows = {field: ORCA.get(field, ()) + CURA.get(field, ()) for field in ORCA | CURA} | {
    "nozzle_diameter": (*ORCA["nozzle_diameter"], key(values.positive, "Machine Nozzle Size")),
    "filament_name": (*ORCA["filament_name"], key(values.word, "Filament Name")),
    "filament_type": (*ORCA["filament_type"], key(values.word, "Material Type")),
    "first_layer_extr_temp": (
        *ORCA["first_layer_extr_temp"],
        key(values.number, "material_print_temperature_layer_0"),
    ),
    "printer_model": (*ORCA["printer_model"], key(values.word, "Machine Name")),
}

_S3D_LAYER = rb"(?i)\n; layer ([0-9]{1,6}), Z = "
_S3D_HEIGHT = rb"(?i)\n; layer [0-9]{1,6}, Z = ([0-9.]{1,12})"
SIMPLIFY3D: Rows = {
    "layer_count": (last_line(values.integer, _S3D_LAYER),),
    "object_height": (last_line(values.positive, _S3D_HEIGHT),),
    "estimated_time": (last(values.duration, "Build time", "Build Time"),),
    "nozzle_diameter": (key(values.positive, "extruderDiameter", "nozzleDiameter"),),
    "layer_height": (key(values.positive, "layerHeight"),),
    "first_layer_height": (first_height,),
    "first_layer_extr_temp": (extruder_temperature,),
    "first_layer_bed_temp": (bed_temperature,),
    "filament_type": (key(values.word, "printMaterial"),),
    "filament_total": (last(values.length, "Filament length", "Material length", "Material Length"),),
    "filament_weight_total": (last(values.number, "Plastic weight", "Material weight", "Material Weight"),),
}

_LAYER_NUMBER = rb"\n;LAYER:([0-9]{1,6})"
IDEAMAKER: Rows = {
    "layer_count": (last_line(lambda text: int(text) + 1, _LAYER_NUMBER),),
    "object_height": (
        line(
            values.positive, rb"\n;Bounding Box:(?:[ \t]{0,4}[0-9.+-]{1,12}[ \t]){5}[ \t]{0,4}([0-9.]{1,9})"
        ),
        highest("Z"),
    ),
    "estimated_time": (key(values.duration, "Print Time"),),
    "nozzle_diameter": (
        line(values.positive, rb"\n;Dimension:(?:[ \t]{0,4}[0-9.]{1,12}[ \t]){3}[ \t]{0,4}([0-9.]{1,12})"),
    ),
    "layer_height": (last(values.positive, "HEIGHT"),),
    "first_layer_height": (key(values.positive, "HEIGHT"),),
    "filament_name": (named("Filament Name #"),),
    "filament_type": (named("Filament Type #"),),
    "filament_total": (numbered("Material#", " Used"),),
    "filament_weight_total": (key(values.number, "Filament weight"),),
    "printer_model": (key(values.word, "Printer Type"),),
}

KISSLICER: Rows = {
    "object_height": (last(values.positive, "END_LAYER_OBJECT z"),),
    "estimated_time": (last(values.duration, "Calculated-during-export Build Time", "Estimated Build Time"),),
    "nozzle_diameter": (key(values.positive, "nozzle_dia_1"),),
    # The style's own figures may be negative (a share of something); the ones in use come after them.
    "layer_height": (last(values.positive, "layer_thickness_mm"),),
    "first_layer_height": (
        last(values.positive, "first_layer_thickness_mm"),
        key(values.positive, "BEGIN_LAYER_OBJECT z"),
    ),
    "first_layer_extr_temp": (key(values.positive, "first_layer_C"),),
    "first_layer_bed_temp": (key(values.positive, "bed_C"),),
    "chamber_temp": (key(values.positive, "chamber_C"),),
    "filament_name": (key(values.word, "material_name"),),
    "filament_total": (numbered("Ext #"),),
}

ICESL: Rows = {
    # Its profiles for Klipper write counts, heights and times; elsewhere there are marks of layers.
    "layer_count": (
        key(values.integer, "layer_count"),
        last_line(lambda text: int(text) + 1, rb"\n; <layer ([0-9]{1,6})>"),
    ),
    "object_height": (key(values.positive, "print_height_mm"),),
    "estimated_time": (key(values.duration, "estimated_print_time_s"),),
    "nozzle_diameter": (key(values.positive, "nozzle_diameter_mm_0", "nozzle_diameter_mm"),),
    "layer_height": (key(values.positive, "z_layer_height_mm"),),
    "first_layer_height": (
        unless("use_different_thickness_first_layer", key(values.positive, "z_layer_height_first_layer_mm")),
        key(values.positive, "z_layer_height_mm"),
    ),
    "first_layer_extr_temp": (key(values.positive, "extruder_temp_degree_c_0"),),
    "first_layer_bed_temp": (key(values.positive, "bed_temp_degree_c"),),
    "chamber_temp": (key(values.number, "chamber_temp_degree_c"),),
    "filament_name": (key(values.word, "filament_name"),),
    "filament_type": (key(values.word, "filament_type"),),
    "filament_total": (key(values.length, "filament_used_mm"),),
    "filament_weight_total": (key(values.number, "filament_used_g"),),
}

KIRIMOTO: Rows = {
    "layer_count": (last_line(lambda text: int(text) + 1, rb"\n;; --- layer ([0-9]{1,6}) \("),),
    "object_height": (
        last_line(values.positive, rb"\n;; --- layer [0-9]{1,6} \([0-9.]{1,12} @ ([0-9.]{1,12})\)"),
    ),
    "estimated_time": (last(values.duration, "--- print time"),),
    "layer_height": (key(values.positive, "sliceHeight"),),
    "first_layer_height": (key(values.positive, "firstSliceHeight", "sliceHeight"),),
    "first_layer_extr_temp": (key(values.positive, "firstLayerNozzleTemp", "outputTemp"),),
    "first_layer_bed_temp": (key(values.positive, "firstLayerBedTemp", "outputBedTemp"),),
    "filament_total": (last(values.length, "--- filament used"),),
}

FUSION: Rows = {
    "layer_count": (key(values.integer, "Layer count"),),
    "estimated_time": (key(values.duration, "Print time"),),
    "nozzle_diameter": (key(values.length, "Extruder 1 nozzle diameter", "Extruder 2 nozzle diameter"),),
    "first_layer_extr_temp": (key(values.positive, "Extruder 1 max temp", "Extruder 2 max temp"),),
    "first_layer_bed_temp": (key(values.positive, "Bed temp"),),
    "filament_name": (named("Extruder ", " material name"),),
    "filament_total": (numbered("Extruder ", " material used"),),
    "printer_model": (key(values.word, "Printer name"),),
}


def _dialect(name: str, detect: bytes, rows: Rows, *, verified: bool = False, seen: bool = False) -> Dialect:
    return Dialect(name, re.compile(rb"\n[ \t]?;[ \t]{0,4}" + detect), rows, verified, seen)


# Descendants come before their ancestors: some keep an ancestor's name in their headers.
DIALECTS: tuple[Dialect, ...] = (
    _dialect("Creality Print", rb"generated by Creality_Print V?(\S{1,40})", CREALITY),
    _dialect("Creality Print", rb"Creality[^\n]{0,20} Version[ \t]?:[ \t]?V?([0-9][0-9.]{0,30})", CREALITY),
    _dialect("Creality Print", rb"Creality (?:Print|Slicer)()", CREALITY),
    _dialect("OrcaSlicer", rb"generated by OrcaSlicer (\S{1,40})", ORCA),
    _dialect("BambuStudio", rb"(?:generated by )?BambuStudio (\S{1,40})", ORCA, seen=True),
    _dialect("SuperSlicer", rb"generated by SuperSlicer (\S{1,40})", SUPER),
    _dialect("PrusaSlicer", rb"generated by PrusaSlicer (\S{1,40})", PRUSA, verified=True),
    _dialect("Slic3r", rb"generated by Slic3r(?: Prusa Edition)? (\S{1,40})", SLIC3R),
    _dialect("Cura", rb"Generated with Cura_SteamEngine (\S{1,40})", CURA, verified=True),
    _dialect(
        "Cura", rb"GENERATOR\.NAME:Cura_SteamEngine[^;]{0,8};GENERATOR\.VERSION:(\S{1,40})", CURA, seen=True
    ),
    _dialect("Simplify3D", rb"G-Code generated by Simplify3D\(R\) Version (\S{1,40})", SIMPLIFY3D),
    _dialect("ideaMaker", rb"Sliced by ideaMaker ([0-9.]{1,40})", IDEAMAKER),
    _dialect(
        "KISSlicer",
        rb"KISSlicer[^\n]{0,40}\n(?:;[^\n]{0,80}\n){0,3}; version [^\n]{0,12}?([0-9]{1,3}\.[0-9.]{1,20})",
        KISSLICER,
        seen=True,
    ),
    # A build of a day names the day instead of a version.
    _dialect("IceSL", rb"[^\n]{0,40}?IceSL(?:[ \t]{0,4}v?([0-9]{1,4}\.[0-9.]{1,20}))?", ICESL, seen=True),
    _dialect("Kiri:Moto", rb"Generated by Kiri:Moto (\S{1,40})", KIRIMOTO, seen=True),
    _dialect("Fusion", rb"(?:Fusion version|Version of Fusion): (\S{1,40})", FUSION),
    _dialect("Fusion", rb"Generated (?:by|with):? Fusion(?: 360)?(?: (\S{1,40}))?", FUSION),
)
DETECT_WITHIN = 256 * 1024  # of the head without its pictures

_COMMENTS = re.compile(rb"\n[ \t]?;[^\n]*")


def detect(head: bytes | bytearray) -> tuple[Dialect, str] | None:
    """The dialect of a head whose pictures are cut out, and the slicer's version (empty if it tells none)."""
    comments = b"".join(_COMMENTS.findall(head, 0, DETECT_WITHIN))
    for dialect in DIALECTS:
        found = dialect.detect.search(comments)
        if found:
            return dialect, (found[1] or b"").decode("utf-8", "replace")
    return None


def read(source: Source, dialect: Dialect | None) -> dict[str, object]:
    """Every field that the file tells: in the dialect's words, else by what its commands do."""
    fields: dict[str, object] = {}
    for rows in (dialect.rows if dialect else {}, COMMON):
        for field, readers in rows.items():
            if field not in fields:
                found = next((value for reader in readers if (value := reader(source)) is not None), None)
                if found is not None:
                    fields[field] = found
    return fields
