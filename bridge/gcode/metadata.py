"""What is known of a G-code file, under the names that Moonraker's clients read."""

import msgspec


class Thumbnail(msgspec.Struct, frozen=True):
    """One picture of a print; `relative_path` is seen from the folder of the G-code file."""

    width: int
    height: int
    size: int
    relative_path: str


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One file's metadata; what the file does not tell is None here and absent in JSON.

    Lengths are in mm, weights in g, times in s, temperatures in °C.
    """

    size: int
    modified: float
    uuid: str | None = None
    file_processors: list[str] | None = None
    slicer: str | None = None
    slicer_version: str | None = None
    gcode_start_byte: int | None = None
    gcode_end_byte: int | None = None
    layer_count: int | None = None
    object_height: float | None = None
    estimated_time: float | None = None
    nozzle_diameter: float | None = None
    layer_height: float | None = None
    first_layer_height: float | None = None
    first_layer_extr_temp: float | None = None
    first_layer_bed_temp: float | None = None
    chamber_temp: float | None = None
    filament_name: str | None = None
    filament_type: str | None = None
    filament_colors: list[str] | None = None
    extruder_colors: list[str] | None = None
    filament_temps: list[int] | None = None
    referenced_tools: list[int] | None = None
    mmu_print: int | None = None
    filament_change_count: int | None = None
    filament_total: float | None = None
    filament_weight_total: float | None = None
    filament_weights: list[float] | None = None
    printer_vendor: str | None = None
    printer_model: str | None = None
    printer_variant: str | None = None
    profile_version: str | None = None
    thumbnails: list[Thumbnail] | None = None
