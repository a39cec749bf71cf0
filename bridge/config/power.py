"""Power devices: what all have in common, and one Struct a kind of link (docs/power.md shows each)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import QoS, Seconds, Section

Delay = Annotated[float, Meta(ge=0, le=86_400)]
MqttPreset = Literal[
    "generic",
    "tasmota",
    "shelly_gen1",
    "shelly_gen2",
    "zigbee2mqtt",
    "zwave_js",
    "esphome",
    "homeassistant_statestream",
]
HttpPreset = Literal[
    "generic",
    "tasmota",
    "shelly_gen1",
    "shelly_gen2",
    "homeassistant",
    "homeseer",
    "loxone",
    "domoticz",
    "hue",
    "hue_group",
    "smartthings",
]


class Switchable(Section, frozen=True):
    """What every kind of device can be told to do by itself."""

    locked_while_printing: Annotated[
        bool, Meta(description="refuse to switch it off while a job is printing or paused")
    ] = False
    off_when_shutdown: Annotated[bool, Meta(description="switch it off when Klippy shuts down")] = False
    off_when_shutdown_delay: Annotated[
        Delay, Meta(description="seconds from the shutdown to that; a Klippy that is well again stops it")
    ] = 0.0
    on_when_job_queued: Annotated[bool, Meta(description="switch it on when a job is queued")] = False
    restart_klipper_when_powered: Annotated[
        bool, Meta(description="restart firmware and Klippy when it was switched on and Klippy is in error")
    ] = False
    restart_delay: Annotated[Delay, Meta(description="seconds from switching on to that restart")] = 1.0
    bound_services: Annotated[
        list[str], Meta(description="services that are started and stopped with it")
    ] = msgspec.field(default_factory=list)
    initial_state: Annotated[
        Literal["on", "off"] | None,
        Meta(description="what it is switched to when the bridge starts; null: it stays as it is"),
    ] = None
    timer: Annotated[
        Delay, Meta(description="seconds after which it switches itself off again; 0: never")
    ] = 0.0


class MqttSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="mqtt"):
    """A plug on the broker."""

    preset: Annotated[MqttPreset, Meta(description="whose topics and payloads these are")] = "generic"
    device: Annotated[str | None, Meta(description="the device's own name in the preset's topics")] = None
    output: Annotated[str | None, Meta(description="which of its relays, as the preset counts them")] = None
    command_topic: Annotated[str | None, Meta(description="where commands go")] = None
    on_payload: Annotated[str | None, Meta(description="what switches it on; default ON")] = None
    off_payload: Annotated[str | None, Meta(description="what switches it off; default OFF")] = None
    retain_command: Annotated[bool, Meta(description="retain commands on the broker")] = False
    state_topic: Annotated[str | None, Meta(description="where it says what it is")] = None
    state_template: Annotated[
        str | None, Meta(description="makes the state of a message, such as {{ value_json.state }}")
    ] = None
    state_on: Annotated[str | None, Meta(description="the state that means on; default on, true and 1")] = (
        None
    )
    state_off: Annotated[
        str | None, Meta(description="the state that means off; default off, false and 0")
    ] = None
    state_timeout: Annotated[
        Seconds, Meta(description="seconds that the device may take to confirm a command")
    ] = 2.0
    query_topic: Annotated[str | None, Meta(description="where it is asked what it is")] = None
    query_payload: Annotated[str | None, Meta(description="the question; default empty")] = None
    query_after_command: Annotated[bool, Meta(description="ask again after each command")] = False
    qos: Annotated[QoS | None, Meta(description="quality of service; default mqtt.qos")] = None


class HttpSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """A plug, or the hub it belongs to, that is spoken to by HTTP."""

    preset: Annotated[HttpPreset, Meta(description="whose addresses and answers these are")] = "generic"
    address: Annotated[
        str | None, Meta(description="host, host:port or http(s)://host:port of the plug or hub")
    ] = None
    device: Annotated[str | None, Meta(description="the device's id at a hub")] = None
    output: Annotated[str | None, Meta(description="which of its relays, as the vendor counts them")] = None
    username: Annotated[str | None, Meta(description="user of the plug or hub")] = None
    password: Annotated[str | None, Meta(description="its password; best as `!secret …`")] = None
    token: Annotated[str | None, Meta(description="access token or key of the hub")] = None
    on_url: Annotated[str | None, Meta(description="generic: what is asked for to switch on")] = None
    off_url: Annotated[str | None, Meta(description="generic: what is asked for to switch off")] = None
    status_url: Annotated[str | None, Meta(description="generic: what tells the state")] = None
    method: Annotated[
        Literal["GET", "POST", "PUT"], Meta(description="generic: the verb of on_url and off_url")
    ] = "GET"
    on_body: Annotated[str | None, Meta(description="generic: the body that switches on")] = None
    off_body: Annotated[str | None, Meta(description="generic: the body that switches off")] = None
    headers: Annotated[
        dict[str, str], Meta(description="generic: further headers, such as Authorization")
    ] = msgspec.field(default_factory=dict)
    state_template: Annotated[
        str | None, Meta(description="makes the state of an answer, such as {{ value_json.state }}")
    ] = None
    state_on: Annotated[str | None, Meta(description="the state that means on; default on, true and 1")] = (
        None
    )
    state_off: Annotated[
        str | None, Meta(description="the state that means off; default off, false and 0")
    ] = None
    poll: Annotated[Seconds, Meta(description="seconds between two questions for the state")] = 5.0
    timeout: Annotated[Seconds, Meta(description="seconds that an answer may take")] = 5.0


class KlipperSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="klipper_device"):
    """Something that Klipper switches: a pin, a light, or a macro with a variable `value`."""

    object_name: Annotated[
        str, Meta(description="such as `output_pin caselight`, `led strip` or `gcode_macro psu`")
    ]


class GpioSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="gpio"):
    """A line of this machine's; needs the extra `gpio`."""

    pin: Annotated[
        str, Meta(description="such as gpio17, gpiochip1/gpio4 or !gpio17, whose on is the low level")
    ]


class TplinkSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="tplink"):
    """A Kasa or Tapo plug; needs the extra `tplink`."""

    address: Annotated[str, Meta(description="host of the plug")]
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None, Meta(description="its port; default 9999")
    ] = None
    output: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="which socket of a strip, from 0")
    ] = None
    username: Annotated[str | None, Meta(description="the vendor's account, for newer plugs")] = None
    password: Annotated[str | None, Meta(description="its password; best as `!secret …`")] = None
    poll: Annotated[Seconds, Meta(description="seconds between two questions for the state")] = 5.0
    timeout: Annotated[Seconds, Meta(description="seconds that an answer may take")] = 5.0


class SerialSwitch(Switchable, frozen=True, kw_only=True, tag_field="type", tag="serial"):
    """A relay board on a serial port; needs the extra `serial`."""

    port: Annotated[str, Meta(min_length=1, description="such as /dev/serial/by-id/…")]
    baud: Annotated[int, Meta(ge=50, le=4_000_000, description="bits a second")] = 9600
    preset: Annotated[Literal["generic", "lcus"], Meta(description="whose bytes these are")] = "generic"
    output: Annotated[int, Meta(ge=1, le=254, description="lcus: which relay, from 1")] = 1
    on_bytes: Annotated[str | None, Meta(description="what switches on, in hex: A0 01 01 A2")] = None
    off_bytes: Annotated[str | None, Meta(description="what switches off, in hex")] = None
    query_bytes: Annotated[
        str | None, Meta(description="what asks for the state, in hex; null: it cannot be asked")
    ] = None
    on_answer: Annotated[str | None, Meta(description="bytes in the answer that mean on, in hex")] = None
    off_answer: Annotated[str | None, Meta(description="bytes in the answer that mean off, in hex")] = None
    poll: Annotated[Seconds, Meta(description="seconds between two questions for the state")] = 2.0
    timeout: Annotated[Seconds, Meta(description="seconds that an answer may take")] = 1.0


PowerDevice = MqttSwitch | HttpSwitch | KlipperSwitch | GpioSwitch | TplinkSwitch | SerialSwitch


def kind(settings: PowerDevice) -> str:
    """The kind of link, as the configuration has it."""
    return str(settings.__struct_config__.tag)
