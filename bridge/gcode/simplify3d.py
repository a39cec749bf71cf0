"""Simplify3D's temperatures and heights: parallel lists and percentages, which take more than one key."""

from bridge.gcode import values
from bridge.gcode.source import Source


def extruder_temperature(source: Source) -> float | None:
    """The first layer's temperature of the first controller that is no bed."""
    return _setpoint(source, "extruder") or _temperature(source, "0")


def bed_temperature(source: Source) -> float | None:
    """The first layer's temperature of the first controller that is a bed."""
    return _setpoint(source, "platform") or _temperature(source, "1")


def _setpoint(source: Source, kind: str) -> float | None:
    """Since version 5 each controller has its own lines; `1|220` is a layer and its temperature."""
    types, points = source.all("temperatureType"), source.all("temperatureSetpoints")
    matching = (text for found, text in zip(types, points, strict=False) if found.strip() == kind)
    return values.positive(next(matching, "").split(",")[0].partition("|")[2])


def _temperature(source: Source, heated_bed: str) -> float | None:
    """One flag and one temperature a controller; `210|205` is one controller's temperatures by layer."""
    flags = (source.first("temperatureHeatedBed") or "").split(",")
    texts = (source.first("temperatureSetpointTemperatures") or "").split(",")
    matching = (text for flag, text in zip(flags, texts, strict=False) if flag.strip() == heated_bed)
    return values.positive(next(matching, ""))


def first_height(source: Source) -> float | None:
    """The first layer's height: a percentage of the others."""
    height = values.positive(source.first("layerHeight") or "")
    percent = values.positive(source.first("firstLayerHeightPercentage") or "")
    return round(height * percent / 100, 4) if height and percent else None
