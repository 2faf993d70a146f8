"""Names of fields: what is under another name, and what has no name that is known."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.check.result import AS_ASSUMED, FILL_IN, RECOGNIZED, UNKNOWN, WRITE, Line, Proposal
from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.client.samples import missing_fields
from airflow_provider_openesg.records import BOOLEAN, DATE, KEY_FIELDS, NUMBER, RECORDS, TEXT, Many, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_openesg.check.context import Read

TABLES = ("organization", "template", "section", "field_type", "report_request", "report", "field_value")
"""Records with a table."""

SIMILAR = 0.6
SAME_WORD, LONG_WORD = 0.2, 4
"""What a common word of this length adds to the similarity of two names."""

AMBIGUOUS = 0.05
"""Difference of similarity below which two names are equally good."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}")
_KINDS: tuple[tuple[Any, str], ...] = ((BOOLEAN, "truth value"), (NUMBER, "number"), (DATE, "date"), (TEXT, "text"))


def lines(read: Read) -> Iterator[Line]:
    """Yield a line for the names of each record."""
    for record, type_ in RECORDS.items():
        recognized = list(read.client.differences.recognized.get(type_.name, ()))
        missing, unknown = missing_fields(read.client.differences, read.api, record)
        if record not in TABLES:
            missing = []
        key = f"names.{record}"
        if type_.name not in read.client.differences.fields:
            if record in TABLES:
                yield Line(key, UNKNOWN, "no record was read.")
            continue
        keys = KEY_FIELDS.get(record, frozenset())
        proposals = [each for name in missing if (each := _proposal(read, record, name, unknown, name in keys))]
        extra = f" Names without a column: {', '.join(unknown)}; they go to 'extra'." if unknown else ""
        also = f" Recognized: {'; '.join(recognized)}." if recognized else ""
        if proposals:
            names = ", ".join(proposal.keys[-1] for proposal in proposals)
            yield Line(key, WRITE, f"no record has {names}.{extra}{also}", tuple(proposals))
        elif recognized:
            yield Line(key, RECOGNIZED, "; ".join(recognized) + "." + extra)
        elif missing:
            yield Line(key, UNKNOWN, f"no record has {', '.join(missing)}; no other name can be meant.")
        else:
            yield Line(key, AS_ASSUMED, "all fields have their names." + extra)


def _proposal(read: Read, record: str, name: str, unknown: Sequence[str], is_key: bool) -> Proposal | None:
    """Return the line for a field that no record has; ``None`` if no other name can be meant."""
    if not unknown and not is_key:
        return None
    keys = ("names", record, name)
    none = 'or "" if the platform has none'
    possible = [each for each in unknown if _may_be(read, record, name, each)]
    ranked = sorted(((_similarity(name, each), each) for each in possible), reverse=True)
    near = [each for similarity, each in ranked if similarity >= max(SIMILAR, ranked[0][0] - AMBIGUOUS)]
    if len(near) == 1:
        return Proposal(keys, near[0])
    if not possible:
        return Proposal(keys, FILL_IN, none) if is_key else None
    return Proposal(keys, FILL_IN, f"one of {', '.join(near or possible)}; {none}")


def _similarity(field: str, name: str) -> float:
    plain = plain_name(name)
    shared = {*field.split("_")} & {*plain.split("_")}
    same_word = any(len(word) >= LONG_WORD for word in shared)
    return difflib.SequenceMatcher(None, field, plain).ratio() + (SAME_WORD if same_word else 0)


def _may_be(read: Read, record: str, field: str, name: str) -> bool:
    """Return whether the values under a name have the type of a field."""
    values = [each[name] for each in read.samples.records.get(record, ()) if each.get(name) not in (None, "")]
    expected = RECORDS[record].fields[field]
    if isinstance(expected, Many):
        return any(isinstance(value, list) for value in values)
    if isinstance(expected, Ref):
        return all(_kind(value) in ("text", "number", "object") for value in values)
    # Times are text for the decoder.
    kind = "date" if field.endswith("_at") else next((kind for type_, kind in _KINDS if type_ == expected), "")
    return not kind or all(_kind(value) == kind or (kind, _kind(value)) == ("text", "number") for value in values)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "date" if _DATE.match(value) else "text"
    return "list" if isinstance(value, list) else "object"
