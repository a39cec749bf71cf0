"""Figures of all jobs together, and of their auxiliary fields."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.jobs.fields import AuxiliaryField, FieldSpec
from bridge.jobs.progress import number
from bridge.jobs.tracker import Job

Totals = Mapping[str, Any]

ZERO: Final[Mapping[str, float]] = {
    "total_jobs": 0,
    "total_time": 0.0,
    "total_print_time": 0.0,
    "total_filament_used": 0.0,
    "longest_job": 0.0,
    "longest_print": 0.0,
}


def totals_of(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is stored, and zeros where nothing is."""
    return {**ZERO, "auxiliary": {}, **(stored or {})}


def with_job(totals: Totals, job: Job, specs: Sequence[FieldSpec]) -> dict[str, Any]:
    """The totals with one more job."""
    return {
        "total_jobs": totals["total_jobs"] + 1,
        "total_time": totals["total_time"] + job.total_duration,
        "total_print_time": totals["total_print_time"] + job.print_duration,
        "total_filament_used": totals["total_filament_used"] + job.filament_used,
        "longest_job": max(totals["longest_job"], job.total_duration),
        "longest_print": max(totals["longest_print"], job.print_duration),
        "auxiliary": _with_fields(totals["auxiliary"], job.auxiliary_data, specs),
    }


def _with_fields(
    totals: Mapping[str, Any], fields: Sequence[AuxiliaryField], specs: Sequence[FieldSpec]
) -> dict[str, Any]:
    by_name = {(spec.provider, spec.name): spec for spec in specs if spec.total or spec.maximum}
    grown = dict(totals)
    for field in fields:
        spec, value = by_name.get((field.provider, field.name)), number(field.value)
        if spec is not None and value is not None:
            before = totals.get(spec.key, {})
            most, total = before.get("maximum"), before.get("total")
            grown[spec.key] = {
                "provider": field.provider,
                "field": field.name,
                "maximum": (value if most is None else max(most, value)) if spec.maximum else None,
                "total": (total or 0.0) + value if spec.total else None,
            }
    return grown
