"""Which entities a printer has: the table of its kinds of objects, applied to what it really consists of."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from bridge.klippy.model import PrinterModel, kind_of, own_name
from bridge.mqtt.payloads import ControlRow, HostStats
from ha_discovery import naming, rows_host
from ha_discovery.commands import Commands, commanded, registered
from ha_discovery.entity import Component, Entity, Look
from ha_discovery.row import Kind, Row
from ha_discovery.rows_events import ANNOUNCED
from ha_discovery.rows_job import JOB, KLIPPER
from ha_discovery.rows_machine import BUTTONS, MACHINE
from ha_discovery.rows_thermal import OTHER, THERMAL

KINDS: Mapping[str, Kind] = {**JOB, **THERMAL, **MACHINE}

# what is left of a component without its control
READ_ONLY: Mapping[str, Component] = {"switch": "binary_sensor", "update": "update"}

_LOOK = tuple(field.name for field in fields(Look))


@dataclass(frozen=True)
class _Draft:
    """An entity whose key and name are not yet checked against the others'."""

    section: str  # the printer object's name; empty for none
    entity: Entity


def entities(
    model: PrinterModel,
    controls: Iterable[ControlRow] = (),
    *,
    macros: Collection[str] = (),
    extra: Iterable[Entity] = (),
    elsewhere: Iterable[Entity] = (),
) -> tuple[Entity, ...]:
    """Every entity of this printer, in the table's order; of the commands, those in `controls`.

    The buttons of `macros` are enabled from the start; `extra` are the entities of other capabilities, and
    `elsewhere` those that they show on the other device.
    """
    commands = Commands(controls, macros)
    drafts = [
        *(_Draft("", _entity(row, {})) for row in KLIPPER),
        *_of_objects(model, commands),
        *(
            _Draft("", _entity(_sensible(row, model), {}, commands=commands))
            for row in BUTTONS
            if commands.fits(row, row.sends or "")
        ),
        *(_Draft("", entity) for entity in (*ANNOUNCED, *_permitted(extra, commands))),
    ]
    taken = {draft.entity.sends for draft in drafts} | rows_host.CONTROLS | {one.sends for one in elsewhere}
    drafts += (_Draft("", entity) for entity in registered(commands, taken))
    return _checked(drafts)


def host_entities(
    stats: HostStats | None, controls: Iterable[ControlRow] = (), extra: Iterable[Entity] = ()
) -> tuple[Entity, ...]:
    """Every entity of the machine below and of the bridge."""
    commands = Commands(controls)
    rows = (row for row in rows_host.rows(stats) if not row.sends or commands.fits(row, row.sends))
    drafts = [_Draft("", _entity(row, {}, commands=commands)) for row in rows]
    return _checked([*drafts, *(_Draft("", entity) for entity in _permitted(extra, commands))])


def _permitted(extra: Iterable[Entity], commands: Commands) -> Iterator[Entity]:
    """The entities of capabilities; of those whose control may not be operated what can be read without."""
    for entity in extra:
        if entity.sends is None or entity.sends in commands:
            yield entity
        elif (component := READ_ONLY.get(entity.component)) is not None:
            yield replace(entity, component=component, sends=None)


def _checked(drafts: list[_Draft]) -> tuple[Entity, ...]:
    drafts = _with_distinct(drafts, "key", "_", _canonical)
    drafts = _with_distinct(_told_apart(drafts), "name", " ", lambda draft: draft.entity.key)
    return tuple(draft.entity for draft in drafts)


def _of_objects(model: PrinterModel, commands: Commands) -> Iterator[_Draft]:
    order = {kind: place for place, kind in enumerate(KINDS)}
    for section in sorted(model.objects, key=lambda name: order.get(kind_of(name), len(order))):
        if own_name(section).startswith("_"):  # how people hide a section
            continue
        kind = KINDS.get(kind_of(section), OTHER)
        words = _words(section, kind)
        for row in kind.rows:
            if _exists(row, section, model) and _is_wanted(row, words, commands):
                yield _Draft(section, _entity(row, words, section, commands))


def _words(section: str, kind: Kind) -> dict[str, str]:
    """What stands for an object in the labels and keys of its rows."""
    own = own_name(section)
    if own:
        name = naming.with_noun(naming.title(own), kind.noun)
    else:
        number = section.removeprefix(kind_of(section))
        name = f"{kind.bare or naming.title(kind_of(section))} {number}".rstrip()
    return {
        "name": name,
        "slug": naming.slug(section),
        "own": naming.slug(own),
        "section": own,
        "object": section.replace(" ", "_"),
    }


def _is_wanted(row: Row, words: Mapping[str, str], commands: Commands) -> bool:
    """Whether there is the control that the row operates, and none that makes it superfluous."""
    if row.replaced_by and row.replaced_by.format(**words) in commands:
        return False
    return row.sends is None or commands.fits(row, row.sends.format(**words))


def _exists(row: Row, section: str, model: PrinterModel) -> bool:
    """Whether this object has what the row reads, as far as is known."""
    if row.without and model.has(row.without):
        return False
    others = (name.format(section=own_name(section)) for name in row.unless)
    if any(model.has(other) and model.may_have(other, row.field) for other in others):
        return False
    if row.measured:
        fitted = bool(row.setting) and model.setting(section, row.setting) is not None
        return fitted or model.has_number(section, row.field)
    return not row.field or model.may_have(section, row.field)


def _sensible(row: Row, model: PrinterModel) -> Row:
    """The row without the condition of an object that this printer does not have."""
    has = row.only_while is None or model.has(row.only_while.object)
    return row if has else replace(row, only_while=None)


def _entity(
    row: Row, words: Mapping[str, str], section: str = "", commands: Commands | None = None
) -> Entity:
    look: dict[str, Any] = {name: getattr(row, name) for name in _LOOK}
    sends = row.sends.format(**words) if row.sends else None
    if sends is not None and commands is not None:
        look |= commanded(row, commands[sends])
        if kind_of(section) == "gcode_macro":
            look["enabled"] = commands.shows_macro(own_name(section))
    read = [(section, row.field)] if row.field else []
    read += [(section, also.field) for also in row.also]
    if row.only_while is not None:
        read.append((row.only_while.object or section, row.only_while.field))
    return Entity(
        key=row.key.format(field=row.field, **words),
        name=row.label.format(**words),
        reads=tuple(read),
        sends=sends,
        **look,
    )


def _told_apart(drafts: list[_Draft]) -> list[_Draft]:
    """Where sections of several kinds share a name, their entities' names tell the kind."""
    kinds: dict[str, set[str]] = {}
    for draft in drafts:
        kinds.setdefault(draft.entity.name.casefold(), set()).add(kind_of(draft.section))
    return [
        _with(draft, name=f"{draft.entity.name} ({naming.title(kind_of(draft.section)).lower()})")
        if len(kinds[draft.entity.name.casefold()]) > 1 and own_name(draft.section)
        else draft
        for draft in drafts
    ]


def _canonical(draft: _Draft) -> tuple[bool, str, str]:
    """Who keeps a key that several want: a section written as its slug, else the first by name."""
    return naming.fold(draft.section) != draft.section.replace(" ", "_"), draft.section, draft.entity.key


def _with_distinct(
    drafts: list[_Draft], attribute: str, joint: str, order: Callable[[_Draft], Any]
) -> list[_Draft]:
    """The drafts, no two with the same key (or name); who gets a number does not depend on their order."""
    named = [index for index, draft in enumerate(drafts) if getattr(draft.entity, attribute)]
    ranked = sorted(named, key=lambda index: order(drafts[index]))
    wanted = [getattr(drafts[index].entity, attribute) for index in ranked]
    result = list(drafts)
    for index, chosen in zip(ranked, naming.distinct(wanted, joint), strict=True):
        if chosen != getattr(drafts[index].entity, attribute):
            result[index] = _with(drafts[index], **{attribute: chosen})
    return result


def _with(draft: _Draft, **changes: Any) -> _Draft:
    return _Draft(draft.section, replace(draft.entity, **changes))
