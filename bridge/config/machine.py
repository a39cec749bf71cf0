"""The machine below: its services, and what may be done to them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.section import Section

# what runs beside Klipper on machines of printers; each is offered where it is there
COMPANIONS = (
    "KlipperScreen",
    "MoonCord",
    "crowsnest",
    "klipper_mcu",
    "moonraker-obico",
    "moonraker-telegram-bot",
    "octoeverywhere",
    "sonar",
    "webcamd",
)
ServiceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9@_.:-]{0,63}$")]


class Machine(Section, frozen=True):
    """Who runs services here, and which of them clients may start and stop."""

    provider: Annotated[
        Literal["auto", "systemd", "supervisord", "none"],
        Meta(description="what runs services here; auto: what is there"),
    ] = "auto"
    services: Annotated[
        list[ServiceName],
        Meta(description="services that may be started and stopped, beside Klipper's"),
    ] = msgspec.field(default_factory=lambda: list(COMPANIONS))
    klipper_service: Annotated[
        ServiceName | None,
        Meta(description="name of Klipper's service; null: the one its process belongs to, else klipper"),
    ] = None
    shutdown_action: Annotated[
        Literal["poweroff", "halt"], Meta(description="what a shutdown does with systemd")
    ] = "poweroff"
    supervisord_config: Annotated[
        str | None, Meta(description="file that supervisorctl reads; null: where it looks by itself")
    ] = None
    sudo_password: Annotated[
        str | None, Meta(description="password for sudo where it wants one; best as `!secret …`")
    ] = None
