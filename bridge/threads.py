"""Threads for calls that block, which nobody waits for at the end."""

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any


class ThreadEach(concurrent.futures.ThreadPoolExecutor):
    """Runs each call in a thread that nobody waits for at exit: a connect that hangs must not keep us."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run `fn` in a daemon thread of its own."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever it was belongs to the waiter
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, daemon=True, name="blocking call").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - theirs
        """Nothing to wait for."""
