"""Sensors around the printer: values that come over MQTT, and what becomes of them in the job's record."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import QoS, Section

FieldStrategy = Literal["basic", "accumulate", "delta", "average", "maximum", "minimum", "collect"]


class SensorValue(Section, frozen=True):
    """One figure of a sensor."""

    template: Annotated[
        str, Meta(description="makes the figure of a message, such as {{ value_json.ENERGY.Total }}")
    ] = "{{ value }}"
    topic: Annotated[str | None, Meta(description="its own topic; default: the sensor's")] = None
    name: Annotated[str | None, Meta(description="for people; default: the figure's own name")] = None
    units: Annotated[str | None, Meta(description="such as W, kWh, °C or %")] = None
    kind: Annotated[
        Literal["energy"] | None,
        Meta(description="energy: a meter that counts on; each job's share is in its record, in kWh"),
    ] = None


class SensorField(Section, frozen=True):
    """One field that a sensor adds to the record of a job."""

    value: Annotated[str, Meta(description="the figure that it is made of")]
    strategy: Annotated[FieldStrategy, Meta(description="what becomes of many figures")] = "basic"
    description: Annotated[str, Meta(description="for people")] = ""
    units: Annotated[str | None, Meta(description="default: those of the figure")] = None
    exclude_paused: Annotated[bool, Meta(description="leave out what comes while the job is paused")] = False
    report_total: Annotated[bool, Meta(description="keep the sum over all jobs")] = False
    report_maximum: Annotated[bool, Meta(description="keep the largest of all jobs")] = False
    precision: Annotated[
        Annotated[int, Meta(ge=0, le=12)] | None, Meta(description="decimals in the record")
    ] = None


class Sensor(Section, frozen=True):
    """A sensor on the broker."""

    values: Annotated[dict[str, SensorValue], Meta(min_length=1, description="its figures by name")]
    type: Annotated[Literal["mqtt"], Meta(description="how it is heard")] = "mqtt"
    topic: Annotated[str | None, Meta(description="the topic of its messages")] = None
    name: Annotated[str | None, Meta(description="for people; default: its own name")] = None
    qos: Annotated[QoS | None, Meta(description="quality of service; default mqtt.qos")] = None
    history: Annotated[dict[str, SensorField], Meta(description="fields of the job's record by name")] = (
        msgspec.field(default_factory=dict)
    )
