"""In which threads the disk is asked."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def asked_below(folder: Path) -> Iterator[list[bool]]:
    """For each question to the disk about something in `folder`: whether the event loop had to wait for it."""
    home = threading.get_ident()
    found: list[bool] = []

    def noting(real: Any) -> Any:
        def ask(path: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(path, str | os.PathLike) and str(path).startswith(f"{folder}/"):
                found.append(threading.get_ident() == home)
            return real(path, *args, **kwargs)

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for name in ("stat", "lstat"):
            patch.setattr(os, name, noting(getattr(os, name)))
        yield found
