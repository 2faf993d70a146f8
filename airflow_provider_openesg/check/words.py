"""Words of statuses and data types: what they mean, and which ones are not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from airflow_provider_openesg.api import DATATYPES, REPORT_STATUSES, REQUEST_STATUSES
from airflow_provider_openesg.check.result import AS_ASSUMED, FILL_IN, RECOGNIZED, UNKNOWN, WRITE, Line, Proposal
from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.records import FIELD_TYPE, REPORT, REPORT_REQUEST, RecordType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_openesg.check.context import Read

SIMILAR = 0.8
MOST_SHOWN = 20
LONGEST = 40
"""Longest text, in characters, that can be a word. Longer ones are the text of a person."""


def lines(read: Read) -> Iterator[Line]:
    """Yield a line for each kind of words."""
    for table, resource, words, type_ in (
        ("status", "reports", REPORT_STATUSES, REPORT),
        ("request_status", "report-requests", (*REQUEST_STATUSES, *REPORT_STATUSES), REPORT_REQUEST),
    ):
        met = [row.get("status") for row in read.samples.rows.get(resource, ())]
        unknown = [word for word in _words(met) if word not in words]
        written = _unknown(read, type_, "status", _enumerated(read, resource))
        allowed = REPORT_STATUSES if table == "status" else REQUEST_STATUSES
        yield _line(table, _words(met), unknown, [word for word in written if word not in unknown], allowed)
    datatypes = read.client.differences.datatypes
    unknown = [word for word in _words(datatypes) if not datatypes[word]]
    written = _unknown(read, FIELD_TYPE, "datatype", _enumerated_datatypes(read))
    line = _line("datatype", list(datatypes), unknown, [each for each in written if each not in unknown], DATATYPES)
    if line.state == WRITE and any(datatypes.values()):
        # As in a pull: newer data types are text.
        text = f"not known, so their values are text: {_listed(unknown)}."
        line = Line(line.key, RECOGNIZED, f"{text} If one means a known type, write it into [words.datatype].")
    yield line


def _line(
    table: str, met: Sequence[str], unknown: Sequence[str], enumerated: Sequence[str], allowed: Sequence[str]
) -> Line:
    key = f"words.{table}"
    proposals = tuple(_proposal(table, word, allowed) for word in (*unknown, *enumerated)[:MOST_SHOWN])
    schema = f" Only in the schema: {_listed(enumerated)}." if enumerated else ""
    if unknown:
        return Line(key, WRITE, f"not known: {_listed(unknown)}.{schema}", proposals)
    if enumerated:
        return Line(key, UNKNOWN, f"no sample has a word that is not known.{schema}", proposals)
    if not met:
        return Line(key, UNKNOWN, "no sample has one.")
    return Line(key, AS_ASSUMED, f"all words are known: {_listed(sorted({*met}))}.")


def _proposal(table: str, word: str, allowed: Sequence[str]) -> Proposal:
    near = difflib.get_close_matches(plain_name(word), allowed, 2, SIMILAR)
    note = "" if len(near) == 1 else f"one of {', '.join(allowed)}"
    return Proposal(("words", table, word), near[0] if len(near) == 1 else FILL_IN, note)


def _words(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(each for each in values if isinstance(each, str) and 0 < len(each) <= LONGEST))


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return ", ".join(words[:MOST_SHOWN]) + more


def _unknown(read: Read, type_: RecordType, field: str, words: Sequence[str]) -> list[str]:
    """Return the words that the translation does not know."""
    translator = Translator(type_, read.api)
    known = DATATYPES if field == "datatype" else (*REPORT_STATUSES, *REQUEST_STATUSES)
    return [word for word in _words(words) if translator.record({field: word})[field] not in known]


def _enumerated(read: Read, resource: str) -> list[str]:
    """Return the statuses of a list in the schema: of its rows, or of its filter."""
    schema = read.schema
    operation = schema.operation("get", read.api.path(resource)) if schema else None
    if schema is None or operation is None:
        return []
    row = schema.properties(schema.row(operation))
    of_rows = next((schema.words(each) for name, each in row.items() if plain_name(name) == "status"), [])
    return of_rows or schema.words(schema.query(operation).get("status", {}))


def _enumerated_datatypes(read: Read) -> list[str]:
    if read.schema is None:
        return []
    names = ("datatype", "data_type")
    found = [read.schema.words(each) for name, each in read.schema.all_properties() if plain_name(name) in names]
    return [word for words in found for word in words]
