"""A small registry with one of every kind of method, and walks through documents."""

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.rpc import EVERYWHERE, NOT_MQTT, SOCKET_ONLY, Access, Call, Lane, Notice, Registry, rpc
from bridge.schema import Open

VERSION = "1.2.3"


class QueueStatus(msgspec.Struct):
    """The queue and whether it moves."""

    queue_state: Literal["ready", "loading", "paused"]
    queued_jobs: list[str]


class Speed(Enum):
    """How fast."""

    SLOW = "slow"
    FAST = "fast"


class Stage(msgspec.Struct):
    """Known to a notification alone."""

    number: int


class Settings(msgspec.Struct):
    """Settings of a device."""

    speed: int = 3


Status = msgspec.defstruct("Status", [("state", str)], module="sample.of_the_printer")
OtherStatus = msgspec.defstruct("Status", [("level", int)], module="sample.of_the_spool")


class JobQueue:
    """Jobs in order, and whether they start by themselves.

    The rest of this docstring is for programmers.
    """

    def __init__(self) -> None:
        self.changed: Notice[QueueStatus] = Notice(
            "notify_job_queue_changed", QueueStatus, "The queue is another."
        )

    @rpc("server.job_queue.post_job", "POST", path="/server/job_queue/job", access=Access.CONTROL)
    async def post_job(
        self,
        _call: Call,
        *,
        filenames: Annotated[list[str], Meta(description="paths relative to gcodes | or below")],
        reset: Annotated[bool, Meta(description="empty the queue first")] = False,
        limit: Annotated[int, Meta(ge=1, le=50)] = 10,
    ) -> QueueStatus:
        """Append files to the queue; nothing is
        added unless every file exists.

        A second paragraph.
        """
        return QueueStatus("ready", [*filenames, str(reset), str(limit)])

    @rpc("server.job_queue.delete_job", "DELETE", path="/server/job_queue/job", access=Access.CONTROL)
    async def delete_job(self, _call: Call, *, job_ids: list[str] | None = None) -> QueueStatus:
        """Take jobs out of the queue."""
        return QueueStatus("ready", job_ids or [])

    @rpc("server.job_queue.status", "GET", access=Access.READ, public=True)
    async def status(self, _call: Call) -> QueueStatus:
        """The queue."""
        return QueueStatus("ready", [])


class Printer:
    """The printer itself."""

    def __init__(self) -> None:
        self.ready: Notice[None] = Notice("notify_klippy_ready", None, "Klippy is ready.")
        self.shutdown: Notice[None] = Notice("notify_klippy_shutdown", None, "Klippy has shut down.")
        self.stats: Notice[Any] = Notice("notify_proc_stat_update", dict[str, float], "Each second.")
        self.stage: Notice[Stage] = Notice("notify_stage", Stage, "The next stage.")
        self.spool: Notice[Any] = Notice("notify_active_spool_set", OtherStatus, "Another spool.")

    @rpc("printer.objects.query", "GET", "POST", access=Access.READ)
    async def query(
        self, _call: Call, *, objects: Annotated[dict[str, list[str] | None], Open()]
    ) -> msgspec.Raw:
        """Fields of printer objects."""
        return msgspec.Raw(msgspec.json.encode(objects))

    @rpc(
        "printer.objects.subscribe",
        "POST",
        access=Access.READ,
        doors=NOT_MQTT,
        elsewhere="the topics klipper/state/# are the subscription",
    )
    async def subscribe(self, _call: Call, *, objects: dict[str, Any]) -> Status:
        """Follow printer objects."""
        return Status(str(objects))

    @rpc("printer.emergency_stop", "POST", access=Access.CONTROL, lane=Lane.URGENT)
    async def stop(self, _call: Call) -> Literal["ok"]:
        """Stop at once."""
        return "ok"

    @rpc(
        "server.files.metadata",
        "GET",
        path=r"/server/files/{root}/{filename:[a-z]{1,9}/.+}",
        access=Access.READ,
        doors=EVERYWHERE,
    )
    async def metadata(
        self, _call: Call, *, filename: Annotated[str, Meta(description="below the root")]
    ) -> OtherStatus:
        """What is known of a file."""
        return OtherStatus(len(filename))

    @rpc("printer.configure", "GET", access=Access.ADMIN)
    async def configure(
        self, _call: Call, *, settings: Settings, more: Settings | None = None, tags: list[int] | None = None
    ) -> None:
        """Take settings.

        Over several lines.
        """

    @rpc("printer.speed", "GET", access=Access.READ)
    async def speed(self, _call: Call, *, wanted: Speed = Speed.SLOW) -> Speed:
        """A speed."""
        return wanted

    @rpc("server.websocket.id", access=Access.READ, doors=SOCKET_ONLY)
    async def websocket_id(self, _call: Call) -> dict[str, int]:
        """The number of this connection."""
        return {"websocket_id": 1}

    @rpc("printer.hidden", "GET", access=Access.READ, doors=SOCKET_ONLY)
    async def hidden(self, _call: Call) -> str:
        """A route that the HTTP door does not offer."""
        return "ok"


def small_registry() -> Registry:
    """One method of every kind."""
    registry = Registry()
    for capability in (JobQueue(), Printer()):
        registry.mount(capability)
    return registry


def references(document: Any) -> Iterator[str]:
    """Every `$ref` of a document."""
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from references(part)


def resolve(document: Any, reference: str) -> Any:
    """What a `$ref` points to; KeyError when it points nowhere."""
    assert reference.startswith("#/"), reference
    for step in reference.removeprefix("#/").split("/"):
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


def schemas(document: Any) -> Iterator[Any]:
    """Every JSON Schema that stands in a description: below `schema`, `payload` and `components.schemas`."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("schema", "payload"):
                yield value
            elif key == "schemas":
                yield from value.values()
            else:
                yield from schemas(value)
    elif isinstance(document, list):
        for part in document:
            yield from schemas(part)
