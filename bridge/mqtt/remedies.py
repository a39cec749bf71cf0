"""What to do about a broker that does not let us in: one table, for the log and for check-config."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.config import Mqtt


@dataclass(frozen=True)
class Remedy:
    """What helps when one of `signs` is in the error, and the configuration is such."""

    signs: tuple[str, ...]
    advice: str
    when: Callable[[Mqtt], bool] = lambda _settings: True


def remedy(error: object, settings: Mqtt) -> str:
    """What went wrong, and what to do about it."""
    text = str(error)
    return f"{text}; {found}" if (found := advice(text, settings)) else text


def advice(text: str, settings: Mqtt) -> str:
    """What to do about an error, empty when nothing is known."""
    low = text.lower()
    for row in REMEDIES:
        if any(sign in low for sign in row.signs) and row.when(settings):
            return row.advice
    return ""


def _encrypted(settings: Mqtt) -> bool:
    return settings.tls is not None


def _plain(settings: Mqtt) -> bool:
    return settings.tls is None


def _anonymous(settings: Mqtt) -> bool:
    return settings.username is None


def _without_certificate(settings: Mqtt) -> bool:
    return settings.tls is not None and settings.tls.cert is None


# The first row that fits is taken; the signs are in lower case.
REMEDIES = (
    Remedy(
        ("certificate required", "certificate_required"),
        "the broker asks for a certificate: set mqtt.tls.cert and mqtt.tls.key",
    ),
    Remedy(
        ("alert unknown ca", "alert bad certificate", "alert certificate"),
        "the broker does not accept our certificate; check mqtt.tls.cert and mqtt.tls.key",
    ),
    Remedy(
        ("certificate has expired",),
        "renew the broker's certificate; if it is new, this machine's clock is wrong",
    ),
    Remedy(("not yet valid",), "this machine's clock is wrong, or the broker's certificate is for later"),
    Remedy(
        ("mismatch, certificate", "certificate is not valid for"),
        "mqtt.host must be a name that stands in the broker's certificate",
    ),
    Remedy(
        ("certificate verify failed",),
        "the authority behind the broker's certificate is not known here: name its file in mqtt.tls.ca",
    ),
    Remedy(
        ("wrong_version_number", "wrong version number", "unexpected_eof", "handshake operation timed out"),
        "this port does not seem to speak TLS; check mqtt.port (8883 is usual), or take mqtt.tls away",
    ),
    Remedy(
        ("not authorized", "bad user", "bad username"),
        "the broker wants a login: set mqtt.username and mqtt.password",
        _anonymous,
    ),
    Remedy(("not authorized", "bad user", "bad username"), "check mqtt.username and mqtt.password"),
    Remedy(
        ("does not let us subscribe", "our own message did not come back"),
        "let this user read and write the instance's topics in the broker's access rules",
    ),
    Remedy(
        ("connection refused",),
        "nobody listens there: is the broker running, and are mqtt.host and mqtt.port right?",
    ),
    Remedy(
        ("name or service not known", "name resolution", "no address associated", "nodename nor servname"),
        "this machine does not find that name: check mqtt.host, or write the broker's address there",
    ),
    Remedy(
        ("operation timed out",),
        "what listens there does not answer: is mqtt.port the broker's, and is the broker well?",
    ),
    Remedy(
        ("timed out", "no route to host", "unreachable"),
        "is mqtt.host right and switched on, and does a firewall stand between?",
    ),
    Remedy(
        ("closed the connection at once", "connection reset"),
        "does the broker ask for a certificate (mqtt.tls.cert, mqtt.tls.key), and is this its port for TLS?",
        _without_certificate,
    ),
    Remedy(
        ("closed the connection at once", "connection reset"),
        "is this the broker's port for TLS, and does the broker know our certificate?",
        _encrypted,
    ),
    Remedy(
        ("closed the connection at once", "connection reset"),
        "is there a broker on this port? if it is one for TLS, add `tls: {}` to mqtt",
        _plain,
    ),
)
