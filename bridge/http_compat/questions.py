"""What is asked of one client, and the answers that come back over its WebSocket."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from bridge.errors import BridgeError, Busy, TimedOut
from bridge.http_compat.pipe import text_frame
from bridge.rpc import encode

MOST = 64  # questions without an answer


class AgentFailed(BridgeError):
    """The client answered with an error; message and code are its own."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.status, self.code = 502, code


class Questions:
    """Requests that the bridge makes of a client."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def ask(self, name: str, method: str, params: Any, timeout: float) -> Any:
        """The client's result; AgentFailed with its error, TimedOut when it says nothing or goes."""
        if len(self._waiting) >= MOST:
            raise Busy(f"{MOST} requests wait for '{name}' already; try again when it has answered some")
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "method": method, "id": number}
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(text_frame(encode(message if params is None else {**message, "params": params})))
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError as error:
            raise TimedOut(f"'{name}' did not answer '{method}' within {timeout:g} s") from error
        finally:
            self._waiting.pop(number, None)

    def take(self, message: Any) -> bool:
        """Whether it is an answer; one that nobody waits for any more is dropped."""
        if not isinstance(message, dict) or "method" in message or "id" not in message:
            return False
        if not ("result" in message or "error" in message):
            return False
        number = message["id"]
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting is not None and not waiting.done():
            if message.get("error") is not None:
                waiting.set_exception(_error(message["error"]))
            else:
                waiting.set_result(message.get("result"))
        return True

    def leave(self, name: str) -> None:
        """The client is gone, and nothing it was asked will be answered."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(TimedOut(f"'{name}' has gone without an answer"))


def _error(error: Any) -> AgentFailed:
    found = error if isinstance(error, dict) else {}
    message, code = found.get("message"), found.get("code")
    return AgentFailed(
        message if isinstance(message, str) else "the agent answered with an error",
        code if isinstance(code, int) and not isinstance(code, bool) else None,
    )
