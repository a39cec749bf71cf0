"""Each way in which a broker does not let us in has its own advice; the texts are recorded ones."""

import pytest

from bridge.config import Mqtt, convert
from bridge.mqtt.remedies import advice, remedy

PLAIN = Mqtt()
NAMED = convert({"mqtt": {"username": "u", "password": "p"}}, "x").mqtt
TLS = convert({"mqtt": {"tls": {}}}, "x").mqtt
MUTUAL = convert({"mqtt": {"tls": {"cert": __file__, "key": __file__}}}, "x").mqtt

CLOSED = "the broker closed the connection at once"


@pytest.mark.parametrize(
    ("error", "settings", "wanted"),
    [
        ("[Errno 111] Connection refused", PLAIN, "nobody listens there"),
        ("[Errno -2] Name or service not known", PLAIN, "check mqtt.host"),
        ("[Errno -3] Temporary failure in name resolution", PLAIN, "check mqtt.host"),
        ("[Errno -5] No address associated with hostname", PLAIN, "check mqtt.host"),
        ("[Errno 113] No route to host", PLAIN, "does a firewall stand between?"),
        ("[Errno 101] Network is unreachable", PLAIN, "does a firewall stand between?"),
        ("timed out", PLAIN, "does a firewall stand between?"),
        ("Operation timed out", PLAIN, "what listens there does not answer"),
        ("the broker refused the connection: Not authorized", PLAIN, "the broker wants a login"),
        ("the broker refused the connection: Not authorized", NAMED, "check mqtt.username and mqtt.password"),
        ("the broker refused the connection: Bad user name or password", NAMED, "check mqtt.username"),
        (CLOSED, PLAIN, "if it is one for TLS, add `tls: {}` to mqtt"),
        (CLOSED, TLS, "does the broker ask for a certificate"),
        (CLOSED, MUTUAL, "does the broker know our certificate?"),
        ("[Errno 104] Connection reset by peer", TLS, "does the broker ask for a certificate"),
        (
            f"{CLOSED} ([SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required)",
            TLS,
            "the broker asks for a certificate: set mqtt.tls.cert and mqtt.tls.key",
        ),
        (
            f"{CLOSED} ([SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:2580))",
            MUTUAL,
            "the broker does not accept our certificate",
        ),
        (
            "certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)",
            TLS,
            "name its file in mqtt.tls.ca",
        ),
        ("certificate verify failed: self-signed certificate", TLS, "name its file in mqtt.tls.ca"),
        (
            "certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1'.",
            TLS,
            "mqtt.host must be a name that stands in the broker's certificate",
        ),
        (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'broker'.",
            TLS,
            "mqtt.host must be a name that stands in the broker's certificate",
        ),
        ("certificate verify failed: certificate has expired (_ssl.c:1006)", TLS, "renew the broker's"),
        ("certificate verify failed: certificate is not yet valid", TLS, "this machine's clock is wrong"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", TLS, "does not seem to speak TLS"),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred", TLS, "does not seem to speak TLS"),
        ("_ssl.c:989: The handshake operation timed out", TLS, "does not seem to speak TLS"),
        ("the broker does not let us subscribe to 'x/#'", NAMED, "the broker's access rules"),
    ],
)
def test_every_known_failure_has_its_advice(error: str, settings: Mqtt, wanted: str) -> None:
    assert wanted in advice(error, settings)
    assert remedy(error, settings) == f"{error}; {advice(error, settings)}"


def test_what_is_not_known_is_told_as_it_is() -> None:
    assert remedy("something new", PLAIN) == "something new"
