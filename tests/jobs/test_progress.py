"""One formula for progress and the time that remains, as a table of prints."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.gcode.metadata import Metadata
from bridge.gcode.scan import scan
from bridge.jobs.progress import Figures, outlook

FILES = Path(__file__).parents[1] / "gcode"
PRUSA = scan(FILES / "real" / "prusa_one_thumbs.gcode")  # commands from byte 2107 to 48684, 285 s
ORCA = scan(FILES / "written" / "orcaslicer.gcode")  # from 247 to 398, 4792 s
CURA = scan(FILES / "real" / "cura_cube_header.gcode")  # from 179 to 73898, 344 s
CREALITY = scan(FILES / "written" / "creality_print_7.gcode")  # from 229 to 303, 34939 s
FILAMENT = Metadata(size=1000, modified=0.0, filament_total=400.0)


def at(metadata: Metadata, share: float, spent: float) -> Figures:
    """The print at a share of its commands."""
    begin, end = metadata.gcode_start_byte, metadata.gcode_end_byte
    assert begin is not None
    assert end is not None
    position = begin + share * (end - begin)
    return Figures(print_duration=spent, file_position=position, card_progress=position / metadata.size)


def plain(share: float | None, spent: float, used: float = 0.0) -> Figures:
    """A print whose file says nothing of itself."""
    return Figures(print_duration=spent, card_progress=share, filament_used=used)


GOLDEN = [
    ("Prusa, while it heats", PRUSA, at(PRUSA, 0.0, 0.0), 0.0, 285.0, "slicer"),
    ("Prusa, half, as fast as thought", PRUSA, at(PRUSA, 0.5, 142.5), 50.0, 142.5, "slicer"),
    ("Prusa, half, a third slower", PRUSA, at(PRUSA, 0.5, 190.0), 50.0, 190.0, "slicer"),
    ("Prusa, at its last command", PRUSA, at(PRUSA, 1.0, 300.0), 100.0, 0.0, "slicer"),
    ("Prusa, in the comments behind it", PRUSA, at(PRUSA, 1.1, 300.0), 100.0, 0.0, "slicer"),
    ("Orca, a tenth, twice as slow, believed by half", ORCA, at(ORCA, 0.1, 958.4), 10.0, 6469.2, "slicer"),
    ("Orca, absurdly slow: three times is the most", ORCA, at(ORCA, 0.5, 90_000.0), 50.0, 7188.0, "slicer"),
    ("Orca, absurdly fast: half is the least", ORCA, at(ORCA, 0.5, 1.0), 50.0, 1198.0, "slicer"),
    ("Cura, three quarters", CURA, at(CURA, 0.75, 258.0), 75.0, 86.0, "slicer"),
    (
        "Cura, in the comments before it",
        CURA,
        Figures(print_duration=0.0, file_position=50.0),
        0.0,
        344.0,
        "slicer",
    ),
    ("Creality, a fifth", CREALITY, at(CREALITY, 0.2, 6987.8), 20.0, 27951.2, "slicer"),
    ("no metadata, half", None, plain(0.5, 600.0), 50.0, 600.0, "file"),
    ("no metadata, done", None, plain(1.0, 600.0), 100.0, 0.0, "file"),
    ("no metadata, too early", None, plain(0.5, 29.0), 50.0, None, None),
    ("no metadata, too little of it", None, plain(0.009, 600.0), 0.9, None, None),
    ("no position, a quarter of the filament", FILAMENT, plain(None, 600.0, 100.0), None, 1800.0, "filament"),
    ("no position, more filament than thought", FILAMENT, plain(None, 600.0, 500.0), None, 0.0, "filament"),
    ("nothing at all", None, Figures(), None, None, None),
]


@pytest.mark.parametrize(
    ("metadata", "figures", "percent", "remaining", "source"),
    [row[1:] for row in GOLDEN],
    ids=[row[0] for row in GOLDEN],
)
def test_the_golden_table(metadata, figures, percent, remaining, source) -> None:
    found = outlook(figures, metadata)
    assert found.progress == (None if percent is None else pytest.approx(percent / 100, abs=1e-6))
    assert found.remaining == (None if remaining is None else pytest.approx(remaining, abs=0.1))
    assert found.source == source


@pytest.mark.parametrize("metadata", [PRUSA, ORCA, CURA, CREALITY])
def test_what_remains_falls_steadily_to_nothing_at_steady_speed(metadata: Metadata) -> None:
    estimate = metadata.estimated_time
    assert estimate is not None
    shown = [outlook(at(metadata, n / 100, estimate * n / 100), metadata).remaining for n in range(101)]
    assert shown[0] == estimate
    assert shown[-1] == 0.0
    assert all(later < earlier for earlier, later in itertools.pairwise(shown))


NUMBER = (
    st.none()
    | st.floats(allow_nan=True)
    | st.integers(-(10**30), 10**30)
    | st.text(max_size=3)
    | st.booleans()
)


@given(NUMBER, NUMBER, NUMBER, NUMBER, st.sampled_from([None, PRUSA, FILAMENT]))
def test_it_is_never_negative_whatever_klippy_says(spent, used, position, progress, metadata) -> None:
    figures = Figures.of(
        {
            "print_stats": {"print_duration": spent, "filament_used": used, "info": spent},
            "virtual_sdcard": {"file_position": position, "progress": progress},
            "gcode_move": {"gcode_position": [0, 0, used]},
        }
    )
    found = outlook(figures, metadata)
    assert found.progress is None or 0 <= found.progress <= 1
    assert found.remaining is None or found.remaining >= 0
    assert (found.remaining is None) is (found.source is None)
    assert found.layer is None or found.layer >= 0


@pytest.mark.parametrize(
    ("status", "metadata", "layer", "layers"),
    [
        ({"info": {"current_layer": 7, "total_layer": 9}}, PRUSA, 7, 9),
        ({"info": {"current_layer": None, "total_layer": None}}, ORCA, 6, 50),
        ({"info": None}, PRUSA, 4, 40),  # its slicer tells only heights: 12 mm of 0.3
        ({"info": {}}, FILAMENT, None, None),
        ({"info": {}}, None, None, None),
    ],
)
def test_layers_are_what_the_file_says_else_what_the_height_says(status, metadata, layer, layers) -> None:
    heights = {"gcode_move": {"gcode_position": [1.0, 2.0, 1.2, 0.0]}}
    found = outlook(Figures.of({"print_stats": {**status, "print_duration": 5.0}, **heights}), metadata)
    assert (found.layer, found.layers) == (layer, layers)
