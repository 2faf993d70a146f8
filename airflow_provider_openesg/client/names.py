"""Recognize the fields of a record under other names: camelCase, British spelling, ``x_id``, usual synonyms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from airflow_provider_openesg.client.envelope import IDS, Place, snake_case
from airflow_provider_openesg.records import Many, RecordType, Ref

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": IDS[1:],
        "created_at": ("created", "created_on", "created_date", "date_created", "creation_date", "create_time"),
        "updated_at": (
            "modified", "modified_at", "modified_on", "updated", "updated_on", "last_modified", "last_modified_at",
            "last_updated", "changed_at", "date_modified", "update_time",
        ),
        "submitted_at": ("submitted_on", "date_submitted", "submission_time"),
        "approved_at": ("approved_on", "date_approved"),
        "submission_date": ("due_date", "deadline"),
        "report_template": ("template",),
        "template": ("report_template",),
        "report_request": ("request",),
        "period_start": ("reporting_period_start", "start_date", "period_from", "reporting_period_from"),
        "period_end": ("reporting_period_end", "end_date", "period_to", "reporting_period_to"),
        "user": ("provider", "provider_user", "contact"),
        "parent_id": ("parent", "parent_section"),
        "sections": ("template_sections",),
        "field_types": ("fields",),
        "field_values": ("values", "report_field_values"),
        "multi_instance": ("is_multi_instance",),
        "is_commentable": ("commentable",),
        "measurements": ("measurement_types", "measurement_methods"),
        "measurement": ("measurement_type", "measurement_method"),
        "metric_type": ("metric",),
        "datatype": ("data_type", "value_type", "dtype", "type"),
        "key": ("code", "slug", "symbol"),
        "unit": ("unit_of_measure", "value_unit", "chosen_unit", "unit_key", "unit_id"),
        "min": ("minimum", "min_value"),
        "max": ("maximum", "max_value"),
        "required": ("is_required",),
        "valid": ("is_valid",),
        "vat_id": ("vat_number", "vat"),
        "registration_number": ("commercial_register_number",),
        "personal_message": ("message",),
    }
)  # fmt: skip
"""Field to other names that mean the same, in snake case."""

DATES = ("start_date", "end_date")
"""Names that may also be dates of the process."""

PERIODS = ("period", "reporting_period")
NESTED: Mapping[str, tuple[Place, ...]] = MappingProxyType(
    {
        "period_start": tuple(
            (period, name) for period in PERIODS for name in ("from", "start", "start_date", "begin")
        ),
        "period_end": tuple((period, name) for period in PERIODS for name in ("to", "end", "end_date", "until")),
    }
)
"""Field to its places in an object of the record."""

_SUFFIXES = ("_id", "_uuid", "_pk", "_key", "_url")
_SPELLINGS = (("organisation", "organization"), ("catalogue", "catalog"))


def plain_name(name: str) -> str:
    """Return a name in snake case and American spelling."""
    plain = snake_case(name)
    for british, american in _SPELLINGS:
        plain = plain.replace(british, american)
    return plain


def resolve(type_: RecordType, sent: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the field of each name that a record has; names that are no field are left out.

    If several names mean one field, all are returned, the best first: the name that the user wrote down, the field's
    own, another spelling, a synonym, the name of its id.

    :param sent: names of the record, as sent.
    :param given: names that the user wrote down: field to name.
    """
    ranked: list[tuple[int, str, str]] = []
    theirs = {name: field for field, name in given.items()}
    for name in sent:
        found = (0, theirs[name]) if name in theirs else _ranked(type_, name)
        if found is not None and (found[1] not in given or given[found[1]] == name):
            if found[0] > 2 and isinstance(type_.fields[found[1]], Many) and found[1] in sent:
                continue  # "values" next to "field_values" is something else
            ranked.append((found[0], name, found[1]))
    return {name: field for _, name, field in sorted(ranked, key=lambda each: each[0])}


def nested(type_: RecordType, sent: Mapping[str, object], given: Mapping[str, str]) -> dict[str, Place]:
    """Return the fields that are in an object of the record, with their places."""
    places: dict[str, Place] = {
        field: tuple(name.split(".")) for field, name in given.items() if "." in name and name not in sent
    }
    objects = {plain_name(name): name for name, value in sent.items() if isinstance(value, Mapping)}
    for field, candidates in NESTED.items():
        if field not in type_.fields or field in places or field in given:
            continue
        for outer, inner in candidates:
            part = sent.get(objects.get(outer, ""))
            names = {plain_name(name): name for name in part} if isinstance(part, Mapping) else {}
            if inner in names:
                places[field] = (objects[outer], names[inner])
                break
    return places


def _ranked(type_: RecordType, name: str) -> tuple[int, str] | None:
    """Return how sure a name is, 1 for its own, and the field that it means."""
    fields = type_.fields
    if name in fields:
        return 1, name
    plain = plain_name(name)
    if plain in fields:
        return 2, plain
    for field, others in SYNONYMS.items():
        if field in fields and plain in others:
            return 3 + others.index(plain), field
    for suffix in _SUFFIXES:
        base = plain.removesuffix(suffix)
        if base != plain:
            field = (
                base
                if base in fields
                else next((each for each, others in SYNONYMS.items() if each in fields and base in others), "")
            )
            if field and isinstance(fields[field], Ref):
                return 50 + _SUFFIXES.index(suffix), field
    return None
