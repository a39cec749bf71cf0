"""One line of G-code as Klippy reads it: letters with numbers, or NAME KEY=value with shell-like quotes."""

import math
import re
import shlex
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
_TRADITIONAL = re.compile(r"(?:N\d+\s*)?([A-Z]\d+(?:\.\d+)?)(?=\s|[A-Z]|$)(.*)")
_LETTER_VALUE = re.compile(r"([A-Z])\s*([^A-Z]*)")


class GcodeError(Exception):
    """A command could not be carried out; the text is what Klippy says."""


def finite(text: str) -> float:
    """A number that can be reckoned with; a ValueError for everything else."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class Line:
    """A command and its parameters; `text` is the line as it came, `rest` what follows the name."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        bare = self.text.partition(";")[0].strip()
        letters = _TRADITIONAL.match(bare.upper())
        self.traditional = letters is not None
        if letters is not None:
            self.name = letters[1]
            self.rest = self.text[letters.end(1) :].strip()
            self._params: dict[str, str] | None = {
                key: value.strip() for key, value in _LETTER_VALUE.findall(letters[2])
            }
        else:
            name = bare.split(maxsplit=1)[0] if bare else ""
            self.name = name.upper()
            self.rest = self.text[len(name) :].strip()
            self._params = None

    @property
    def params(self) -> dict[str, str]:
        """The parameters by their names in capitals."""
        if self._params is None:
            self._params = self._extended()
        return self._params

    def _extended(self) -> dict[str, str]:
        words = shlex.shlex(self.rest, posix=True)
        words.whitespace_split = True
        words.commenters = "#;"
        try:
            pairs = [word.split("=", 1) for word in words]
            return {key.upper(): value for key, value in pairs}
        except ValueError as error:  # an open quote, or a word without "="
            raise GcodeError(f"Malformed command '{self.text}'") from error

    def get(self, key: str, default: str | None = None) -> str:
        """A parameter's text; without a default it must be there."""
        value = self.params.get(key, default)
        if value is None:
            raise GcodeError(f"Error on '{self.text}': missing {key}")
        return value

    def number(
        self, key: str, default: float | None = None, *, least: float | None = None, most: float | None = None
    ) -> float:
        """A parameter as a number within its bounds; without a default it must be there."""
        if default is not None and key not in self.params:
            return default
        text = self.get(key)
        try:
            value = finite(text)
        except ValueError as error:
            raise GcodeError(f"Error on '{self.text}': unable to parse {text}") from error
        if least is not None and value < least:
            raise GcodeError(f"Error on '{self.text}': {key} must have minimum of {least}")
        if most is not None and value > most:
            raise GcodeError(f"Error on '{self.text}': {key} must have maximum of {most}")
        return value

    def maybe(self, key: str, *, least: float | None = None, most: float | None = None) -> float | None:
        """A parameter as a number, or None when it was left out."""
        return self.number(key, least=least, most=most) if key in self.params else None

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A parameter that is 0 or 1."""
        return bool(self.number(key, float(default)))

    def choose(self, key: str, among: Mapping[str, T]) -> T:
        """What a parameter names."""
        name = self.get(key)
        if name not in among:
            raise GcodeError(f"The value '{name}' is not valid for {key}")
        return among[name]
