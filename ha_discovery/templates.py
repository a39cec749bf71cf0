"""Home Assistant's value templates (Jinja2) over our payloads; what is null or odd renders `None`.

`None` is how a value becomes unknown in Home Assistant without a line in its log. Our payloads never lack a
key, so only what is inside a value has to be looked for.
"""

from collections.abc import Iterable

LONGEST_STATE = 255  # Home Assistant refuses longer states

VALUE = "value_json.value"
NEVER = "-9e9"  # below every limit


def plain(root: str = VALUE) -> str:
    """The value as it is."""
    return f"{{{{{root}}}}}"


def number(path: str = "", factor: float = 1, digits: int = 1, root: str = VALUE) -> str:
    """The number at `path` (`[2]`, `.x`) of the value, scaled and rounded when `factor` is not 1."""
    read = _number(root, path)
    if factor == 1:
        return f"{{{{{read}}}}}"
    return f"{{%set v={read}%}}{{{{none if v is none else (v*{factor:g})|round({digits})}}}}"


def percent(path: str = "") -> str:
    """A fraction of 1 as percentage."""
    return number(path, 100)


def within(low: float, high: float, factor: float = 1, path: str = "", digits: int = 4) -> str:
    """The number, scaled, when it is one that may be set: Home Assistant complains of any other."""
    inner = f"{VALUE}{path}|default({NEVER})" if path else VALUE
    scaled = "" if factor == 1 else f"*{factor:g}"
    shown = "v" if factor == 1 else f"v|round({digits})"
    return f"{{%set v={inner}|float({NEVER}){scaled}%}}{{{{{shown} if {low:g}<=v<={high:g} else none}}}}"


def whole_percent() -> str:
    """A fraction of 1 as percentage without a fraction; of any other number Home Assistant complains."""
    return f"{{%set v={VALUE}|float({NEVER})%}}{{{{(v*100)|round|int if 0<=v<=1 else none}}}}"


def above_zero(yes: str, no: str) -> str:
    """One word for a number above zero, another for any other."""
    return f"{{%set v={_number(VALUE)}%}}{{{{none if v is none else '{yes}' if v>0 else '{no}'}}}}"


def weighted(weights: Iterable[tuple[str, float]], factor: float, digits: int = 1) -> str:
    """The sum of some members of the value, each times its weight, scaled."""
    pairs = tuple(weights)
    reads = "".join(
        f"{{%set v{index}={_number(VALUE, f'.{member}')}%}}" for index, (member, _) in enumerate(pairs)
    )
    missing = " or ".join(f"v{index} is none" for index in range(len(pairs)))
    total = "+".join(f"v{index}*{weight:g}" for index, (_, weight) in enumerate(pairs))
    return f"{reads}{{{{none if {missing} else (({total})*{factor:g})|round({digits})}}}}"


def difference(more: str, less: str) -> str:
    """One member of the payload less another, never below zero."""
    return (
        f"{{%set a=value_json.{more}%}}{{%set b=value_json.{less}%}}"
        "{{none if a is none or b is none else [0,(a-b)|round]|max}}"
    )


def total(one: str, other: str) -> str:
    """Two members of the payload together."""
    return (
        f"{{%set a=value_json.{one}%}}{{%set b=value_json.{other}%}}"
        "{{none if a is none or b is none else (a+b)|round}}"
    )


def text(root: str = VALUE, blank: str = "None") -> str:
    """The text, cut to what a state may hold; `blank` stands for an empty or missing one."""
    return f"{{{{(({root} or '{blank}')~'')[:{LONGEST_STATE}]}}}}"


def known(options: Iterable[str], root: str = VALUE) -> str:
    """The word, when it is one of the options."""
    listed = ",".join(f"'{option}'" for option in options)
    return f"{{{{{root} if {root} in [{listed}] else none}}}}"


def one_of(words: Iterable[str], yes: str, no: str) -> str:
    """Whether the value is one of some words."""
    listed = ",".join(f"'{word}'" for word in words)
    return f"{{{{'{yes}' if {VALUE} in [{listed}] else '{no}'}}}}"


def is_true(yes: str, no: str) -> str:
    """One word for true, another for anything else."""
    return f"{{{{'{yes}' if {VALUE} is true else '{no}'}}}}"


def on_off(root: str = VALUE, *, inverted: bool = False) -> str:
    """ON for true, OFF for false; or the other way round."""
    yes, no = ("OFF", "ON") if inverted else ("ON", "OFF")
    return f"{{{{'{yes}' if {root} is true else '{no}' if {root} is false else none}}}}"


def count(root: str = VALUE) -> str:
    """How many there are in a list."""
    return f"{{{{{root}|length if {root} is iterable and {root} is not string else none}}}}"


def names_that_are_set() -> str:
    """Of a table of names and truths, the names of what is true."""
    names = f"{VALUE}.items()|selectattr(1)|map(attribute=0)|join(', ')"
    return f"{{{{(({names}) or 'none')[:{LONGEST_STATE}] if {VALUE} is mapping else none}}}}"


def whole_text(root: str = VALUE) -> str:
    """The uncut text as the attribute `full`."""
    return f"{{{{{{'full':{root}}}|tojson}}}}"


def event(names: Iterable[str]) -> str:
    """One of our events as Home Assistant's; empty, which it passes over, for every other."""
    listed = ",".join(f"'{name}'" for name in names)
    return (
        f"{{%if value_json.event in [{listed}]%}}"
        "{{dict(value_json.data,event_type=value_json.event)|tojson}}{%endif%}"
    )


def _number(root: str, path: str = "") -> str:
    return f"{root}{path}|default(none)|float(none)" if path else f"{root}|float(none)"
