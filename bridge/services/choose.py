"""Which provider this machine has."""

import shutil
from pathlib import Path

from bridge.config.machine import Machine
from bridge.host.kernel import Kernel
from bridge.services.provider import Nobody, Provider
from bridge.services.rights import Rights
from bridge.services.supervisord import Supervisord
from bridge.services.systemd import Systemd

BOOTED = "/run/systemd/system"
SOCKETS = ("/var/run/supervisor.sock", "/run/supervisord.sock", "/tmp/supervisor.sock")  # noqa: S108 - its default


def provider(settings: Machine, kernel: Kernel, rights: Rights) -> Provider:
    """The one that is configured, else the one that is there."""
    chosen: str = settings.provider
    if chosen == "auto":
        chosen = _there(settings, kernel)
    if chosen == "systemd":
        return Systemd(rights, settings.shutdown_action)
    if chosen == "supervisord":
        config = settings.supervisord_config
        return Supervisord(rights, None if config is None else str(Path(config).expanduser()))
    return Nobody()


def _there(settings: Machine, kernel: Kernel) -> str:
    if kernel.exists(BOOTED) and shutil.which("systemctl"):
        return "systemd"
    has_socket = settings.supervisord_config is not None or any(map(kernel.exists, SOCKETS))
    return "supervisord" if has_socket and shutil.which("supervisorctl") else "none"
