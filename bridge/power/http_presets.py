"""How vendors and hubs are asked by HTTP, as data; {device}, {output}, … are filled in, percent-encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Login = Literal["none", "basic", "digest", "bearer"]


@dataclass(frozen=True)
class Ask:
    """One request; a body makes it a POST unless the verb says otherwise."""

    path: str
    body: str | None = None
    verb: str | None = None


@dataclass(frozen=True)
class HttpPreset:
    """How one make is asked, and how its answer is read."""

    status: Ask
    on: Ask
    off: Ask
    state: str  # template over the answer to `status`
    login: Login = "none"
    needs: tuple[str, ...] = ()  # options that it cannot do without
    output: str = ""  # where the configuration names none
    address: str | None = None  # where the configuration names none
    port: int | None = None
    credentials: str = ""  # appended to each path when there is a password


_SMARTTHINGS = "/v1/devices/{device}/commands"
_SMART = '{{"commands":[{{"component":"main","capability":"switch","command":"{0}"}}]}}'

HTTP_PRESETS: Mapping[str, HttpPreset] = {
    "tasmota": HttpPreset(
        status=Ask("/cm?cmnd=Power{output}"),
        on=Ask("/cm?cmnd=Power{output}%20on"),
        off=Ask("/cm?cmnd=Power{output}%20off"),
        state="{{ (value_json.values()|list)[0] }}",  # POWER, or POWER1 where there are several
        credentials="&user={username}&password={password}",
    ),
    "shelly_gen1": HttpPreset(
        status=Ask("/relay/{output}"),
        on=Ask("/relay/{output}?turn=on"),
        off=Ask("/relay/{output}?turn=off"),
        state="{{ value_json.ison }}",
        login="basic",
        output="0",
    ),
    "shelly_gen2": HttpPreset(
        status=Ask("/rpc/Switch.GetStatus?id={output}"),
        on=Ask("/rpc/Switch.Set?id={output}&on=true"),
        off=Ask("/rpc/Switch.Set?id={output}&on=false"),
        state="{{ value_json.output }}",
        login="digest",
        output="0",
    ),
    "homeassistant": HttpPreset(
        status=Ask("/api/states/{device}"),
        on=Ask("/api/services/homeassistant/turn_on", '{"entity_id":"{device}"}'),
        off=Ask("/api/services/homeassistant/turn_off", '{"entity_id":"{device}"}'),
        state="{{ value_json.state }}",
        login="bearer",
        needs=("device", "token"),
        port=8123,
    ),
    "homeseer": HttpPreset(
        status=Ask("/JSON?request=getstatus&ref={device}"),
        on=Ask("/JSON?request=controldevicebylabel&ref={device}&label=On"),
        off=Ask("/JSON?request=controldevicebylabel&ref={device}&label=Off"),
        state="{{ value_json.Devices[0].status }}",
        needs=("device",),
        credentials="&user={username}&pass={password}",
    ),
    "loxone": HttpPreset(
        status=Ask("/jdev/sps/io/{device}"),
        on=Ask("/jdev/sps/io/{device}/On"),
        off=Ask("/jdev/sps/io/{device}/Off"),
        state="{{ value_json.LL.value }}",
        login="basic",
        needs=("device",),
    ),
    "domoticz": HttpPreset(
        status=Ask("/json.htm?type=command&param=getdevices&rid={device}"),
        on=Ask("/json.htm?type=command&param=switchlight&idx={device}&switchcmd=On"),
        off=Ask("/json.htm?type=command&param=switchlight&idx={device}&switchcmd=Off"),
        state="{{ value_json.result[0].Status }}",
        login="basic",
        needs=("device",),
        port=8080,
    ),
    "hue": HttpPreset(
        status=Ask("/api/{token}/lights/{device}"),
        on=Ask("/api/{token}/lights/{device}/state", '{"on":true}', "PUT"),
        off=Ask("/api/{token}/lights/{device}/state", '{"on":false}', "PUT"),
        state="{{ value_json.state.on }}",
        needs=("device", "token"),
    ),
    "hue_group": HttpPreset(
        status=Ask("/api/{token}/groups/{device}"),
        on=Ask("/api/{token}/groups/{device}/action", '{"on":true}', "PUT"),
        off=Ask("/api/{token}/groups/{device}/action", '{"on":false}', "PUT"),
        state="{{ value_json.state.any_on }}",
        needs=("device", "token"),
    ),
    "smartthings": HttpPreset(
        status=Ask("/v1/devices/{device}/components/main/capabilities/switch/status"),
        on=Ask(_SMARTTHINGS, _SMART.format("on")),
        off=Ask(_SMARTTHINGS, _SMART.format("off")),
        state="{{ value_json.switch.value }}",
        login="bearer",
        needs=("device", "token"),
        address="https://api.smartthings.com",
    ),
}
