"""Convert parts of a platform's records: values that are objects, German dates, URLs, names to send."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import REPORT_STATUSES, REQUEST_STATUSES
from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.records import REPORT_REQUEST, Ref

if TYPE_CHECKING:
    from airflow_provider_openesg.records import RecordType

_AMOUNTS = ("amount", "value", "number", "quantity")
_STARTS, _ENDS = ("start", "from", "start_date", "begin"), ("end", "to", "end_date", "until")
PARTS_OF_VALUES = {*_AMOUNTS, *_STARTS, *_ENDS, "unit", "code", "name", "label"}
"""Names in an object sent for a value that its text and unit contain."""

_GERMAN_DATE = re.compile(r"([0-3]?[0-9])\.([01]?[0-9])\.([0-9]{4})")
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]00:00(:00(\.0+)?)?(Z|[+-][0-9:]+)?")


def spelled(field: str, examples: Sequence[str], type_: RecordType) -> str:
    """Return the name of a field in the spelling of other names: camelCase, British, ``_id`` for references."""
    if isinstance(type_.fields.get(field), Ref) and any(plain_name(name).endswith("_id") for name in examples):
        field = field if field.endswith("_id") else f"{field}_id"
    if any("organisation" in name.lower() for name in examples):
        field = field.replace("organization", "organisation")
    if any(character.isupper() for name in examples for character in name):
        first, *rest = field.split("_")
        return first + "".join(part.capitalize() for part in rest)
    return field


def is_link_to_parts(value: Any) -> bool:
    """Return whether only ids or a URL are sent for the parts of a record."""
    if isinstance(value, list):
        return bool(value) and not any(isinstance(each, Mapping) for each in value)
    return isinstance(value, str)


def list_of_values(section: Mapping[str, Any]) -> list[Any] | None:
    """Return the field values in a section of a report, if it has some."""
    for name, value in section.items():
        if plain_name(name) in ("field_values", "values") and isinstance(value, list):
            return value
    return None


def text_of_object(value: Mapping[str, Any]) -> tuple[str | None, Any]:
    """Return the text of a value that is an object, and its unit; ``None`` if it has other parts."""
    plain = {plain_name(name): part for name, part in value.items()}
    start = next((plain[name] for name in _STARTS if plain.get(name) is not None), None)
    end = next((plain[name] for name in _ENDS if plain.get(name) is not None), None)
    if isinstance(start, str) and isinstance(end, str):
        return f"{iso_date(start) or start} - {iso_date(end) or end}", None
    if isinstance(plain.get("code"), str):
        name = plain.get("name", plain.get("label"))
        return (f"{plain['code']} | {name}" if isinstance(name, str) and name else plain["code"]), None
    amount = next((plain[name] for name in _AMOUNTS if name in plain), None)
    if isinstance(amount, bool):
        return str(amount).lower(), plain.get("unit")
    if isinstance(amount, str | int | float | Decimal):
        return str(amount), plain.get("unit")
    return None, None


def iso_date(text: str) -> str | None:
    """Return a German date, or midnight of a day, as a date in ISO 8601; ``None`` if it is neither."""
    if match := _GERMAN_DATE.fullmatch(text.strip()):
        day, month, year = match.groups()
        return f"{year}-{int(month):02}-{int(day):02}"
    if match := _MIDNIGHT.fullmatch(text.strip()):
        return match[1]
    return None


def last_part(url: str) -> str:
    """Return the last part of a URL's path, which is the id of the record."""
    return url.split("?")[0].rstrip("/").rpartition("/")[2]


def from_json_api(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource object of JSON:API as a flat record."""
    record = {
        **sent["attributes"],
        **{name: value for name, value in sent.items() if name not in ("attributes", "relationships", "links", "type")},
    }
    relationships = sent.get("relationships")
    for name, relation in relationships.items() if isinstance(relationships, Mapping) else ():
        data = relation.get("data") if isinstance(relation, Mapping) else None
        if isinstance(data, Mapping):
            record.setdefault(name, data.get("id"))
        elif isinstance(data, list):
            record.setdefault(name, [each.get("id") for each in data if isinstance(each, Mapping)])
        elif relation is not None and name not in record:
            record[name] = None
    return record


def known_statuses(type_: RecordType) -> tuple[str, ...]:
    """Return the known statuses of reports or requests."""
    return (*REQUEST_STATUSES, *REPORT_STATUSES) if type_ is REPORT_REQUEST else REPORT_STATUSES


def unknown_status(type_: RecordType, word: str) -> str:
    """Return the text of the difference that a status is not known."""
    table = "request_status" if type_ is REPORT_REQUEST else "status"
    return (
        f"{type_.name}: the status {word!r:.60} is not known. If it means one of {', '.join(known_statuses(type_))}, "
        + in_profile(f'[words.{table}] "{word:.60}" = "..."')
    )
