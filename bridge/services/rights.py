"""What only root may do: as root, else by sudo, else refused with the remedy."""

import asyncio
import contextlib
import logging
import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from bridge.errors import Conflict, DeviceFailed, Forbidden, TimedOut
from bridge.programs import Done, Say, run

log = logging.getLogger(__name__)

ROOT = 0
MOST_MISSED = 10
PATIENCE = 90.0  # seconds a service may take to start or stop
# what programs say when the right is missing
REFUSALS = (
    "authentication required",
    "authentication is required",
    "access denied",
    "permission denied",
    "not permitted",
    "password is required",
    "no new privileges",
    "must be superuser",
    "are you root",
    "may not run sudo",
    "not in the sudoers",
    "a terminal is required",
    "incorrect password",
)


class Rights:
    """Runs a command with the rights it needs; the password of sudo is kept in memory alone."""

    def __init__(self, password: str | None) -> None:
        self.missed: dict[str, None] = {}  # what was refused, for whoever can give the password
        self._password = password
        self._turn = asyncio.Lock()

    @property
    def user(self) -> str:
        """Who the bridge runs as."""
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    async def run(self, *words: str, patience: float = PATIENCE, say: Say | None = None) -> Done:
        """Run it as ourselves, then by sudo where ourselves is not enough; an error when both fail."""
        done = await run(*words, patience=patience, say=say)
        if not done.code:
            return done
        if os.getuid() == ROOT or not is_refusal(done):
            raise DeviceFailed(f"{words_of(words)} failed: {done.said}")
        return await self.as_root(*words, patience=patience, say=say)

    async def as_root(
        self,
        *words: str,
        patience: float = PATIENCE,
        say: Say | None = None,
        outlive: Path | None = None,
    ) -> Done:
        """Run it as root from the first."""
        if os.getuid() != ROOT:
            words = (*self._sudo(words), *words)
        typed = None if self._password is None else self._password + "\n"
        done = await run(*words, patience=patience, say=say, typed=typed, outlive=outlive)
        if not done.code:
            return done
        if is_refusal(done):
            raise self._refused(words)
        raise DeviceFailed(f"{words_of(words)} failed: {done.said}")

    async def check(self) -> bool:
        """Whether sudo lets us through."""
        if os.getuid() == ROOT:
            return True
        if shutil.which("sudo") is None:
            return False
        return await self._passes("true")

    async def may(self, words: Sequence[str], harmless: Sequence[str]) -> str:
        """What lets us do it: root, polkit or sudo; empty: nothing does.

        `harmless` is a command that polkit lets through by the same rule and that changes nothing.
        """
        if os.getuid() == ROOT:
            return "root"
        if shutil.which(harmless[0]) is not None:
            with contextlib.suppress(DeviceFailed, TimedOut):
                if not (await run(*harmless, patience=10)).code:
                    return "polkit"
        return "sudo" if shutil.which("sudo") and await self._passes("-l", *words) else ""

    async def learn(self, password: str) -> str:
        """Take over a password of sudo's that is right."""
        if os.getuid() == ROOT:
            raise Conflict("The bridge runs as root; sudo is not needed")
        if not password or "\n" in password or "\0" in password:
            raise Forbidden("sudo does not take this password")
        async with self._turn:
            sudo = self._found_sudo(("sudo",))
            done = await run(sudo, "-S", "-k", "-p", "", "true", typed=password + "\n", patience=15)
            if done.code:
                raise Forbidden("sudo does not take this password")
            self._password = password
            self.missed.clear()
        log.info("sudo has taken the password that was given; it is kept until the bridge ends")
        return "Sudo password successfully set."

    async def _passes(self, *words: str) -> bool:
        typed = None if self._password is None else self._password + "\n"
        try:
            done = await run(*self._sudo(words), *words, typed=typed, patience=10)
        except (DeviceFailed, Forbidden, TimedOut):
            return False
        return not done.code

    def _sudo(self, words: tuple[str, ...]) -> tuple[str, ...]:
        sudo = self._found_sudo(words)
        return (sudo, "-n") if self._password is None else (sudo, "-S", "-p", "")

    def _found_sudo(self, words: tuple[str, ...]) -> str:
        path = shutil.which("sudo")
        if path is None:
            raise self._refused(words)
        return path

    def _refused(self, words: tuple[str, ...]) -> Forbidden:
        self.missed[words_of(words)] = None
        while len(self.missed) > MOST_MISSED:
            del self.missed[next(iter(self.missed))]
        return Forbidden(
            f"The user '{self.user}' may not do `{words_of(words)}`; nothing was changed. Install the rule "
            "of docs/machine.md for polkit, or let sudo do it without a password"
        )


def is_refusal(done: Done) -> bool:
    """Whether a program says that the right is missing."""
    text = f"{done.errors} {done.out}".lower()
    return any(words in text for words in REFUSALS)


def words_of(words: tuple[str, ...]) -> str:
    """A command for people: without sudo, options and paths."""
    plain = [word.rpartition("/")[2] for word in words if not word.startswith("-") and word]
    return " ".join(plain[1:4] if plain[:1] == ["sudo"] else plain[:3])
