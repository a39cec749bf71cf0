"""Rules for the broker: who needs which topics of an instance, and no more (mosquitto's acl_file)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.mqtt.topics import Topics

HEAD = """\
# Who may do what on the broker, as `klipper-bridge acl` prints it for the instance '{instance}'.
# mosquitto: put it where `acl_file` points, and make the users with mosquitto_passwd.
"""


@dataclass(frozen=True)
class Foreign:
    """Topics of others that the configuration names: plugs, meters."""

    reads: Sequence[str] = ()
    writes: Sequence[str] = ()


def acl(topics: Topics, unique: str, bridge_user: str, foreign: Foreign | None = None) -> str:
    """The rules for the bridge, Home Assistant, Node-RED and a display."""
    looks = [f"topic read {pattern}" for pattern in told(topics)]
    device = [f"topic readwrite {topics.device(name)}" for name in (unique, f"{unique}_host")]
    others = foreign or Foreign()
    sets = f"topic write {topics.all_controls}"
    blocks = (
        _block(
            "the bridge: its own topics, its two devices in Home Assistant, and Home Assistant's birth",
            bridge_user,
            [
                f"topic readwrite {topics.instance}/#",
                *device,
                f"topic read {topics.birth}",
                *(f"topic read {one}" for one in others.reads),
                *(f"topic write {one}" for one in others.writes),
            ],
        ),
        _block(
            "Home Assistant: reads what is told, sets what can be set, may delete the devices",
            "homeassistant",
            [f"topic readwrite {topics.discovery}/#", *looks, sets],
        ),
        _block(
            "Node-RED: the same, and asks methods with answers of its own",
            "nodered",
            [
                *looks,
                sets,
                f"topic write {topics.request}/nodered",
                f"topic read {topics.client_response('nodered')}",
            ],
        ),
        _block("a display: looks, and nothing else", "display", looks),
    )
    return "\n".join((HEAD.format(instance=topics.instance), *blocks))


def told(topics: Topics) -> list[str]:
    """The patterns of what an instance tells everybody: state and events, no requests and no answers."""
    patterns = [topics.status, *topics.own[1:], f"{topics.instance}/event/#"]
    control = f"{topics.instance}/control/#"
    return [f"{topics.instance}/control/+/state" if one == control else one for one in patterns]


def _block(what: str, user: str, lines: Iterable[str]) -> str:
    return "\n".join((f"# {what}", f"user {user}", *lines, ""))
