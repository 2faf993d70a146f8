"""The only parser of a template's sections: for tidy tables, wide tables and updates of reports.

The rules:

* A field repeats if its section, or any section above it, is multi-instance.
* The data type is the field type's own, else its metric's. So are the units: a field type that lists units is more
  specific than its metric, which may be shared by fields in other units.
* A value has a unit only if exactly one is listed: the platform does not say which one of several a value is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from airflow_provider_openesg.tables.decoder import as_text, field_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class TemplateField:
    """A field type of a template.

    :param id: id of the field type, as the platform sends it.
    :param key: empty if it has none.
    :param repeats: whether values need an ``instance_id``.
    :param unit_names: names of the unit of the values: key, name and id; empty if there is not exactly one unit.
    :param units: key of each unit that is listed, by its key, name, label and id in lower case.
    :param measurements: id of each measurement by its key, name and id as text.
    :param takes_attachment: whether a file can be attached.
    """

    id: int | str
    key: str
    datatype: str
    repeats: bool
    minimum: Decimal | None
    maximum: Decimal | None
    unit_names: tuple[str, ...]
    units: Mapping[str, str]
    measurements: Mapping[str, Any]
    is_commentable: bool
    takes_attachment: bool


def parse_template(sections: Sequence[Any]) -> list[TemplateField]:
    """Return the field types of a template.

    :param sections: records of :data:`~airflow_provider_openesg.records.SECTION`.
    """
    repeating = repeating_sections(
        {
            "id": str(section.id),
            "parent_id": as_text(field_of(section, "parent_id")),
            "multi_instance": _boolean(section, _SEVERAL),
        }
        for section in sections
    )
    return [
        _field(record, repeats=str(section.id) in repeating)
        for section in sections
        for record in section.field_types or ()
    ]


def repeating_sections(sections: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the ids of the sections whose fields repeat.

    :param sections: rows of the table ``sections`` of one template.
    """
    by_id = {section["id"]: section for section in sections}

    def repeats(section: Mapping[str, Any] | None) -> bool:
        for _ in by_id:  # a section that is below itself must not end in an endless loop
            if section is None or section[_SEVERAL]:
                break
            section = by_id.get(section["parent_id"])
        return section is not None and bool(section[_SEVERAL])

    return {number for number, section in by_id.items() if repeats(section)}


def datatype(field_type: Any) -> str | None:
    """Return the data type of a field type: its own, else its metric's."""
    return as_text(field_type.datatype) or as_text(getattr(field_of(field_type, _METRIC), "datatype", None))


def units(field_type: Any) -> Raw | None:
    """Return the JSON list of the units of a field type: its own if it lists any, else its metric's."""
    metric_units = getattr(field_of(field_type, _METRIC), "units", None)
    own: Raw | None = field_type.units
    return metric_units if metric_units is not None and not records(own) else own


def unit(field_type: Any) -> str | None:
    """Return the key of the only unit of a field type, or its name or id if it has no key."""
    return next(iter(_unit_names(field_type)), None)


def unit_keys(field_type: Any) -> dict[str, str]:
    """Return the key of each unit of a field type by its id, name, label and key, in lower case."""
    return {
        str(each[name]).casefold(): key
        for each in records(units(field_type))
        if (key := next((str(each[name]) for name in ("key", "name", "id") if each.get(name) not in (None, "")), None))
        for name in ("id", "label", "symbol", "name", "key")
        if each.get(name) not in (None, "")
    }


def own_unit(raw: Raw) -> str | None:
    """Return the text of a value's own unit: its key, name or id if it is an object."""
    sent = msgspec.json.decode(raw)
    if isinstance(sent, dict):
        sent = next((sent[name] for name in ("key", "name", "label", "id") if sent.get(name) not in (None, "")), None)
    return str(sent) if isinstance(sent, str | int) and not isinstance(sent, bool) and sent != "" else None


def _unit_names(field_type: Any) -> tuple[str, ...]:
    listed = records(units(field_type))
    only = listed[0] if len(listed) == 1 else {}
    return tuple(str(only[name]) for name in ("key", "name", "id") if only.get(name) not in (None, ""))


def measurement_keys(field_type: Any) -> dict[int | str, str]:
    """Return the key of each measurement of a field type by its id."""
    return {
        each["id"]: each["key"]
        for each in records(field_type.measurements)
        if isinstance(each.get("key"), str) and isinstance(each.get("id"), int | str)
    }


def records(raw: Raw | None) -> list[dict[str, Any]]:
    """Return the objects of a JSON list, for a plain item one with this ``key``; none if it is not a list."""
    parts = msgspec.json.decode(raw) if raw is not None else None
    return [part if isinstance(part, dict) else {"key": part} for part in parts] if isinstance(parts, list) else []


_SEVERAL, _METRIC = "multi_instance", "metric_type"


def _field(record: Any, *, repeats: bool) -> TemplateField:
    measurements = [each for each in records(record.measurements) if each.get("id") is not None]
    return TemplateField(
        id=record.id,
        key=as_text(record.key) or "",
        datatype=datatype(record) or "",
        repeats=repeats,
        minimum=_number(record.min),
        maximum=_number(record.max),
        unit_names=_unit_names(record),
        units=unit_keys(record),
        measurements={
            str(each[name]): each["id"]
            for name in ("id", "name", "key")
            for each in measurements
            if each.get(name) is not None
        },
        is_commentable=_boolean(record, "is_commentable") is not False,
        takes_attachment=as_text(record.attachment) != "none",
    )


def _boolean(record: Any, name: str) -> bool | None:
    """Return a boolean field; ``None`` for any other value, as in the tables."""
    value = getattr(record, name)
    if isinstance(value, Raw):
        value = {b"true": True, b"false": False}.get(bytes(value))
    return value if isinstance(value, bool) else None


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(as_text(value) or "NaN")
    except InvalidOperation:
        return None
    return number.normalize() if number.is_finite() else None
