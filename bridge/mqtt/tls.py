"""TLS to the broker, from the configuration."""

import logging
import ssl
from pathlib import Path

from bridge.config import Mqtt
from bridge.errors import ConfigError

log = logging.getLogger(__name__)


def tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    """The TLS of the configuration, or None; files that cannot be read are a ConfigError."""
    tls = settings.tls
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=_expanded(tls.ca))
        if tls.cert is not None:
            context.load_cert_chain(str(_expanded(tls.cert)), _expanded(tls.key))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"mqtt.tls: a certificate or key cannot be read: {error}") from error
    context.sslsocket_class = _Tidy
    if tls.insecure_skip_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        log.warning("mqtt.tls.insecure_skip_verification is on: anybody can pose as the broker")
    return context


class _Tidy(ssl.SSLSocket):
    """Closes itself when its handshake fails: paho leaves it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - theirs
        """Shake hands, or leave nothing open."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _expanded(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser())
