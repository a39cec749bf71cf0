"""How far a print is and how long it still takes: one formula (docs/jobs.md), pure.

Progress p is the share of the file between its first and last command, else `virtual_sdcard.progress`.
What remains:

1. `slicer`: estimate x (1 - p) x pace; the pace is the print time so far against the slicer's for that part,
   trusted in full from 20 % on, between 0.5 and 3;
2. `file`: print time x (1 - p) / p, from 1 % and 30 s on;
3. `filament`: the same with the share of the filament that is used.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bridge.gcode.metadata import Metadata

Source = Literal["slicer", "file", "filament"]

TRUSTED = 0.2  # progress from which the pace counts in full
SLOWEST, FASTEST = 3.0, 0.5  # bounds of the pace
LARGEST = 1e12  # no print takes as many seconds, mm or bytes
FIRST_SHARE, FIRST_SECONDS = 0.01, 30.0  # before them a share of the file says nothing


@dataclass(frozen=True)
class Figures:
    """What Klippy tells of the running print; None is not known."""

    print_duration: float | None = None
    total_duration: float | None = None
    filament_used: float | None = None
    file_position: float | None = None
    card_progress: float | None = None
    z: float | None = None
    layer: int | None = None
    layers: int | None = None

    @classmethod
    def of(cls, status: Mapping[str, Mapping[str, Any]]) -> "Figures":
        """From a status of print_stats, virtual_sdcard and gcode_move, whatever it holds."""
        stats, card = status.get("print_stats", {}), status.get("virtual_sdcard", {})
        info = stats.get("info")
        info = info if isinstance(info, Mapping) else {}
        position = status.get("gcode_move", {}).get("gcode_position")
        return cls(
            print_duration=number(stats.get("print_duration")),
            total_duration=number(stats.get("total_duration")),
            filament_used=number(stats.get("filament_used")),
            file_position=number(card.get("file_position")),
            card_progress=number(card.get("progress")),
            z=number(position[2]) if isinstance(position, list) and len(position) > 2 else None,  # noqa: PLR2004
            layer=whole(info.get("current_layer")),
            layers=whole(info.get("total_layer")),
        )


@dataclass(frozen=True)
class Outlook:
    """Where the print stands; shares from 0 to 1, seconds."""

    progress: float | None
    remaining: float | None
    source: Source | None
    layer: int | None
    layers: int | None


def outlook(figures: Figures, metadata: Metadata | None) -> Outlook:
    """The formula applied."""
    progress = share_of_file(figures, metadata)
    remaining, source = _remaining(figures, metadata, progress)
    layers = figures.layers if figures.layers is not None else _layers(metadata)
    return Outlook(progress, remaining, source, _layer(figures, metadata, layers), layers)


def share_of_file(figures: Figures, metadata: Metadata | None) -> float | None:
    """Progress by the bytes between the first and the last command, else as Klippy has it."""
    begin = metadata.gcode_start_byte if metadata else None
    end = metadata.gcode_end_byte if metadata else None
    if begin is not None and end is not None and end > begin and figures.file_position:
        return _bounded((figures.file_position - begin) / (end - begin))
    return None if figures.card_progress is None else _bounded(figures.card_progress)


def _remaining(
    figures: Figures, metadata: Metadata | None, progress: float | None
) -> tuple[float | None, Source | None]:
    spent = figures.print_duration
    estimate = metadata.estimated_time if metadata else None
    if estimate and estimate > 0 and progress is not None:
        return estimate * (1 - progress) * _pace(spent, estimate, progress), "slicer"
    if _tells(progress, spent):
        return _rest(progress, spent), "file"
    total = metadata.filament_total if metadata else None
    used = _bounded(figures.filament_used / total) if total and figures.filament_used else None
    if _tells(used, spent):
        return _rest(used, spent), "filament"
    return None, None


def _pace(spent: float | None, estimate: float, progress: float) -> float:
    """How much slower than the slicer thought, gently at first."""
    if not spent or progress <= 0:
        return 1.0
    measured = min(SLOWEST, max(FASTEST, spent / (estimate * progress)))
    return 1.0 + (measured - 1.0) * min(1.0, progress / TRUSTED)


def _tells(share: float | None, spent: float | None) -> bool:
    return share is not None and spent is not None and share >= FIRST_SHARE and spent >= FIRST_SECONDS


def _rest(share: float | None, spent: float | None) -> float:
    return (spent or 0.0) * (1 - (share or 1.0)) / (share or 1.0)


def _layers(metadata: Metadata | None) -> int | None:
    """How many layers: as the slicer says it, else from the heights."""
    if metadata is None:
        return None
    return metadata.layer_count or _layer_at(metadata.object_height, metadata)


def _layer(figures: Figures, metadata: Metadata | None, layers: int | None) -> int | None:
    """The current layer: as the file says it, else from the height once something is printed."""
    if figures.layer is not None:
        return figures.layer
    layer = _layer_at(figures.z, metadata) if figures.print_duration else None
    return layer if layer is None or not layers else min(layer, layers)


def _layer_at(z: float | None, metadata: Metadata | None) -> int | None:
    height = metadata.layer_height if metadata else None
    first = (metadata.first_layer_height if metadata else None) or height
    if z is None or not height or not first:
        return None
    return max(0, math.ceil((z - first) / height - 0.01) + 1)


def number(value: Any) -> float | None:
    """A figure that can be one, else None: a broken Klipper's may be anything."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return float(value)


def whole(value: Any) -> int | None:
    """A whole number, else None."""
    found = number(value)
    return None if found is None else int(found)


def _bounded(share: float) -> float:
    return min(1.0, max(0.0, share))
