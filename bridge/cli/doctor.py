"""`klipper-bridge doctor`: one page on how everything is; what is wrong comes with its remedy."""

import os
from collections.abc import Callable
from pathlib import Path

from bridge.cli import check, vitals
from bridge.cli.check import FAILED, Fact, Report
from bridge.config import Config, Discretion, hidden, load
from bridge.errors import BridgeError, ConfigError
from bridge.host.kernel import Kernel
from bridge.services.choose import provider
from bridge.services.desk import KLIPPER
from bridge.services.provider import NOBODY
from bridge.services.rights import Rights
from bridge.services.systemd import SYSTEMD

SYSTEMCTL = ("systemctl", "--no-ask-password")


async def run(path: Path) -> int:
    """Look at everything that can be looked at, whatever else is wrong; 1 when something is."""
    page = Page()
    try:
        config = load(path)
    except ConfigError as error:
        for name, look in MACHINE:
            await page.show(name, look(None))
        page.say("config", Fact(str(error), "WRONG"))
        page.say("rest", Fact("data, broker, printer and services are looked at once that is mended", "note"))
        return FAILED
    page.hide = Discretion(config)
    for name, look in MACHINE:
        await page.show(name, look(config))
    page.say("config", Fact(f"{path}"))
    await page.show("config", vitals.secrets(path, config))
    for name, check_one in (*check.CHECKS, *OURS):
        await page.show(name, check_one(config))
    return 0 if page.good else FAILED


class Page:
    """The lines of the report, without secrets."""

    def __init__(self) -> None:
        self.good = True
        self.hide: Callable[[str], str] = hidden

    async def show(self, name: str, report: Report) -> None:
        """Each fact on its line; the error that ends them is one, too."""
        try:
            async for fact in report:
                self.say(name, fact)
        except BridgeError as error:
            self.say(name, Fact(str(error), "WRONG"))
        except OSError as error:
            self.say(name, Fact(f"{error.filename or 'it'}: {error.strerror or error}", "WRONG"))

    def say(self, name: str, fact: Fact) -> None:
        """One line."""
        self.good = self.good and fact.mark != "WRONG"
        print(f"{fact.mark:<5} {name}: {self.hide(fact.text)}", flush=True)


async def services(config: Config) -> Report:
    """Who runs them, how they are, and whether we may do anything about it."""
    rights = Rights(config.machine.sudo_password)
    one = provider(config.machine, Kernel(), rights)
    if one.name == NOBODY:
        yield Fact("nobody runs services here (a container?): restarts, shutdown and reboot are refused")
        return
    names = [config.machine.klipper_service or KLIPPER, *config.machine.services]
    states = await one.states(names)
    shown = ", ".join(f"{name} {state.active_state}" for name, state in states.items())
    yield Fact(f"{one.name}: {shown or 'none of the services that may be touched is there'}")
    for name, state in states.items():
        if state.active_state == "failed":
            yield Fact(f"{name} has failed; its log tells why (journalctl -u {name})", "WRONG")
    if one.name == SYSTEMD:
        running = next((name for name, state in states.items() if state.active_state == "active"), None)
        async for fact in _rights(rights, running):
            yield fact


async def _rights(rights: Rights, service: str | None) -> Report:
    """What may be done, found out without doing it; a service that runs has no failure to forget."""
    ways = {
        f"{what} the machine": await rights.may((*SYSTEMCTL, word), _asks_polkit(action))
        for what, word, action in (("shut down", "poweroff", "power-off"), ("reboot", "reboot", "reboot"))
    }
    if service is not None:
        unit = ("--", f"{service}.service")
        restart, harmless = (*SYSTEMCTL, "restart", *unit), (*SYSTEMCTL, "reset-failed", *unit)
        ways = {f"restart {service}": await rights.may(restart, harmless), **ways}
    for what, way in ways.items():
        if way:
            yield Fact(f"the user '{rights.user}' may {what}, by {way}")
        else:
            remedy = "docs/machine.md has the rule for polkit"
            yield Fact(f"the user '{rights.user}' may not {what}; {remedy}", "note")


def _asks_polkit(action: str) -> tuple[str, ...]:
    return ("pkcheck", "--action-id", f"org.freedesktop.login1.{action}", "--process", str(os.getpid()))


MACHINE: tuple[tuple[str, Callable[[Config | None], Report]], ...] = (
    ("versions", vitals.versions),
    ("clock", vitals.clock),
    ("machine", vitals.processor),
)
OURS: tuple[tuple[str, Callable[[Config], Report]], ...] = (
    ("disk", vitals.disk),
    ("services", services),
    ("extras", vitals.extras),
    ("bridge", vitals.bridge),
)
