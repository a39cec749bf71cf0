"""Services of supervisord, as containers have them, by its own command."""

from bridge.errors import Conflict, DeviceFailed
from bridge.programs import found, run
from bridge.services.provider import Action, PowerAction, ServiceState
from bridge.services.rights import Rights

# its words -> systemd's, which clients know
STATES = {
    "RUNNING": ("active", "running"),
    "STARTING": ("activating", "start"),
    "BACKOFF": ("activating", "auto-restart"),
    "STOPPING": ("deactivating", "stop-sigterm"),
    "STOPPED": ("inactive", "dead"),
    "EXITED": ("inactive", "dead"),
    "FATAL": ("failed", "failed"),
    "UNKNOWN": ("unknown", "unknown"),
}
FAILED = ("ERROR", "refused", "no such")


class Supervisord:
    """What `supervisorctl` can do."""

    name = "supervisord_cli"
    ends_machine = False
    pace = 30.0  # each look starts an interpreter

    def __init__(self, rights: Rights, config: str | None) -> None:
        self._rights = rights
        self._options = () if config is None else ("-c", config)
        self._whole: dict[str, str] = {}  # a program's name -> with its group's before it

    async def states(self, services: list[str]) -> dict[str, ServiceState]:
        """Those that it knows, and how they are."""
        done = await run(found("supervisorctl"), *self._options, "status", patience=15)
        known = {}
        for line in done.out.splitlines():
            whole, word = (*line.split(maxsplit=2), "", "")[:2]
            if word in STATES:
                name = whole.rpartition(":")[2]
                self._whole[name], known[name] = whole, ServiceState(*STATES[word])
        if not known and done.code:
            raise DeviceFailed(f"supervisorctl status: {done.said}")
        return {name: known[name] for name in services if name in known}

    async def act(self, action: Action, service: str) -> None:
        """Start, stop or restart a program; what is so already is no error."""
        program = self._whole.get(service, service)
        done = await self._rights.run(found("supervisorctl"), *self._options, action, program)
        failed = [line for line in done.out.splitlines() if any(word in line for word in FAILED)]
        if failed and "already started" not in failed[-1] and "not running" not in failed[-1]:
            raise DeviceFailed(f"supervisorctl {action}: {failed[-1][:200]}")

    async def power(self, action: PowerAction) -> None:
        """Refuse: it runs programs, not the machine."""
        raise Conflict(f"No {action} from here: supervisord runs programs, not the machine")
