"""What vendors and gateways call their topics, as data; {device} and {output} are filled in."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MqttPreset:
    """The topics and payloads of one make."""

    command_topic: str | None = None  # None: the configuration has to name it
    on_payload: str = "ON"
    off_payload: str = "OFF"
    state_topic: str | None = None
    state_template: str = "{{ value }}"
    query_topic: str | None = None
    query_payload: str = ""
    output: str = ""  # where the configuration names none


MQTT_PRESETS: Mapping[str, MqttPreset] = {
    "generic": MqttPreset(),
    "tasmota": MqttPreset(
        command_topic="cmnd/{device}/POWER{output}",
        state_topic="stat/{device}/POWER{output}",
        query_topic="cmnd/{device}/POWER{output}",
    ),
    "shelly_gen1": MqttPreset(
        command_topic="shellies/{device}/relay/{output}/command",
        on_payload="on",
        off_payload="off",
        state_topic="shellies/{device}/relay/{output}",
        query_topic="shellies/{device}/command",
        query_payload="update",
        output="0",
    ),
    "shelly_gen2": MqttPreset(
        command_topic="{device}/command/switch:{output}",
        on_payload="on",
        off_payload="off",
        state_topic="{device}/status/switch:{output}",
        state_template="{{ value_json.output }}",
        query_topic="{device}/command/switch:{output}",
        query_payload="status_update",
        output="0",
    ),
    "zigbee2mqtt": MqttPreset(
        command_topic="zigbee2mqtt/{device}/set",
        on_payload='{"state":"ON"}',
        off_payload='{"state":"OFF"}',
        state_topic="zigbee2mqtt/{device}",
        state_template="{{ value_json.state }}",
        query_topic="zigbee2mqtt/{device}/get",
        query_payload='{"state":""}',
    ),
    "zwave_js": MqttPreset(
        command_topic="zwave/{device}/37/{output}/targetValue/set",
        on_payload='{"value":true}',
        off_payload='{"value":false}',
        state_topic="zwave/{device}/37/{output}/currentValue",
        state_template="{{ value_json.value }}",
        output="0",
    ),
    "esphome": MqttPreset(
        command_topic="{device}/switch/{output}/command",
        state_topic="{device}/switch/{output}/state",
        output="relay",
    ),
    # statestream only tells; an automation has to listen on the command topic
    "homeassistant_statestream": MqttPreset(
        on_payload="on", off_payload="off", state_topic="homeassistant/switch/{device}/state"
    ),
}
