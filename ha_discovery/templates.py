"""Home Assistant's value templates (Jinja2) over our payloads; what is null, missing or odd renders `None`.

`None` is how a value becomes unknown in Home Assistant without a line in its log.
"""

from collections.abc import Iterable

LONGEST_STATE = 255  # Home Assistant refuses longer states

VALUE = "value_json.value"


def number(path: str = "", factor: float = 1, digits: int = 1) -> str:
    """The number at `path` (`[2]`, `.x`) of the value, scaled and rounded when `factor` is not 1."""
    read = f"{_read(VALUE, path)}|float(none)"
    if factor == 1:
        return f"{{{{ {read} }}}}"
    return f"{{% set v = {read} %}}{{{{ none if v is none else (v*{factor:g})|round({digits}) }}}}"


def percent(path: str = "") -> str:
    """A fraction of 1 as percentage."""
    return number(path, 100)


def weighted(weights: Iterable[tuple[str, float]], factor: float, digits: int = 1) -> str:
    """The sum of some members of the value, each times its weight, scaled."""
    pairs = tuple(weights)
    reads = "".join(
        f"{{% set v{index} = {_read(VALUE, f'.{member}')}|float(none) %}}"
        for index, (member, _) in enumerate(pairs)
    )
    missing = " or ".join(f"v{index} is none" for index in range(len(pairs)))
    total = "+".join(f"v{index}*{weight:g}" for index, (_, weight) in enumerate(pairs))
    return f"{reads}{{{{ none if {missing} else (({total})*{factor:g})|round({digits}) }}}}"


def text(root: str = VALUE, blank: str = "none") -> str:
    """The text, cut to what a state may hold; `blank` (an expression) stands for an empty or missing one."""
    return f"{{{{ ({root}|default({blank},true)|string)[:{LONGEST_STATE}] }}}}"


def known(options: Iterable[str], root: str = VALUE) -> str:
    """The word, when it is one of the options."""
    listed = ",".join(f"'{option}'" for option in options)
    return f"{{% set v = {_read(root)} %}}{{{{ v if v in [{listed}] else none }}}}"


def on_off() -> str:
    """ON for true, OFF for false."""
    return f"{{% set v = {_read(VALUE)} %}}{{{{ 'ON' if v is true else 'OFF' if v is false else none }}}}"


def whole_text(root: str = VALUE) -> str:
    """The uncut text as the attribute `full`."""
    return f"{{{{ {{'full': {_read(root)}}}|tojson }}}}"


def _read(root: str, path: str = "") -> str:
    value = f"{root}|default(none)"
    return f"({value}){path}|default(none)" if path else value
