"""What the rows need on MQTT."""

from ha_discovery.entity import Entity, fields_read
from tests.ha_discovery.printers import recorded


def test_the_fields_of_all_rows_are_gathered_by_object():
    rows = (
        Entity(key="a", name="A", reads=(("extruder", "target"),)),
        Entity(key="b", name="B", reads=(("extruder", "temperature"), ("fan", "speed"))),
        Entity(key="c", name="C", component="button", sends="pause"),
    )
    assert fields_read(rows) == {"extruder": {"target", "temperature"}, "fan": {"speed"}}


def test_every_field_that_is_read_exists_on_the_recorded_printer():
    status = recorded().status
    needed = fields_read(recorded().rows())
    assert {name: needed[name] - status[name].keys() for name in needed} == {name: set() for name in needed}
    assert needed["print_stats"] == {"state", "message"}  # the job has topics of its own
    assert "gcode_macro GREET" not in needed
