"""A closed loop of requests, and what it found."""

import asyncio
import gc
import time
from collections.abc import Callable

from bench.clients import Reply

Issue = Callable[[Reply], None]


class ClosedLoop:
    """Keeps every issuer busy: as soon as it has its answer it asks again."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.answers = self.failures = 0
        self._measuring = self._ending = False
        self._busy = 0
        self._ended = asyncio.Event()

    async def run(self, issuers: list[Issue], seconds: float, warm: float = 0.15) -> None:
        """Warm up, measure for `seconds`, and let the last answers come in."""
        gc.collect()
        gc.disable()
        self._busy = len(issuers)
        for issue in issuers:
            self._work(issue)
        await asyncio.sleep(warm)
        self._measuring = True
        await asyncio.sleep(seconds)
        self._measuring, self._ending = False, True
        await asyncio.wait_for(self._ended.wait(), 20)
        gc.enable()

    def _work(self, issue: Issue) -> None:
        began = time.perf_counter()

        def reply(data: bytes | None) -> None:
            nonlocal began
            now = time.perf_counter()
            self.answers += 1
            if data is None or b'"error":' in data[:40]:
                self.failures += 1
            elif self._measuring:
                self.latencies.append(now - began)
            if self._ending or data is None:
                self._busy -= 1
                if not self._busy:
                    self._ended.set()
                return
            began = now
            issue(reply)

        issue(reply)
