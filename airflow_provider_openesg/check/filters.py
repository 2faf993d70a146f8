"""Filters of lists: whether the platform applies them, and others that only its schema has."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg.api import ASSUMED, RESOURCES, UPDATED_AFTER
from airflow_provider_openesg.check.result import AS_ASSUMED, RECOGNIZED, UNKNOWN, WRITE, Line, Proposal
from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.client.page_style import page_query
from airflow_provider_openesg.client.row_filter import RowFilter, as_filter_text, checked_query, field_of
from airflow_provider_openesg.client.translation import reference
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGError
from airflow_provider_openesg.records import RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_openesg.check.context import Read

Outcome = Literal["works", "ignored", "nothing", "refused", "unknown"]

SINCE = (
    "updated_after", "updated_since", "modified_after", "modified_since", "changed_after", "changed_since",
    "last_modified_after", "last_modified_since", "last_updated_after", "updated_from", "modified_from",
    *(
        f"{name}_{how}"
        for name in ("updated_at", "modified_at", "changed_at", "updated", "modified", "last_modified")
        for how in ("gt", "gte", "after", "since", "from")
    ),
)  # fmt: skip
"""Usual names of a filter for records changed after a time, the best first; ``__`` is written ``_``."""

MOST_PROBED = 3
SIMILAR = 0.7
_REFUSED = (400, 404, 422)
_OUTCOMES = {
    "ignored": " is ignored",
    "nothing": " selects nothing",
    "refused": " is refused",
    "unknown": ": the samples have no two values to compare",
}


def lines(read: Read, proposed: Mapping[tuple[str, ...], Any]) -> Iterator[Line]:
    """Yield a line for each filter.

    :param proposed: names that are proposed: record and field to the platform's name.
    """
    renamed = {
        resource: {theirs: field for (record, field), theirs in proposed.items() if RECORDS[record].name == type_}
        for resource in RESOURCES
        if (type_ := read.client.translator(resource).type.name)
    }
    for resource in RESOURCES:
        table = resource.replace("-", "_")
        names = read.api.filter_names(resource)
        declared = _declared(read, resource)
        for name, parameter in names.items():
            if name != UPDATED_AFTER:
                yield _line(
                    _Probe(read, resource, name, renamed[resource]), f"filters.{table}.{name}", parameter, declared
                )
        for name in ASSUMED.filter_names(resource).keys() - names:
            yield Line(f"filters.{table}.{name}", AS_ASSUMED, "not used: it is written down that there is none.")
        if hasattr(getattr(read.api.filters, table, None), UPDATED_AFTER):
            yield _since(f"filters.{table}.{UPDATED_AFTER}", names.get(UPDATED_AFTER), declared)


class _Probe:
    """Request rows with a filter, and compare them with it.

    :param name: the filter's name in this package.
    :param renamed: names of the rows that are proposed for fields.
    """

    def __init__(self, read: Read, resource: str, name: str, renamed: Mapping[Any, str]) -> None:
        self.name = name
        self.resource = resource
        self._read = read
        self._renamed = renamed
        self._field = field_of(resource, name)
        rows = map(self._with_names, read.samples.rows.get(resource, []))
        values = [as_filter_text(reference(row, self._field)) for row in rows]
        # With one value only, a filter that is ignored would return the same rows.
        self._value = next((each for each in reversed(values) if each and each != values[0]), "")

    def result(self, parameter: str) -> Outcome:
        """Return how the platform applies a parameter."""
        if not self._value:
            return "unknown"
        client, translator = self._read.client, self._read.client.translator(self.resource)
        sent = translator.their_word(self.name, self._value) if self.name == "status" else self._value
        query = {**page_query({}, client.api.paging, 2), parameter: sent}
        try:
            page = client.get(client.api.path(self.resource), client.page_decoder(self.resource), params=query)
        except OpenESGApiError as error:
            return "refused" if error.status in _REFUSED else "unknown"
        except OpenESGError:
            return "unknown"
        rows = list(map(self._with_names, page.rows))
        if not rows or not all(self._field in row for row in rows):
            return "unknown" if rows else "nothing"
        wanted = RowFilter(self.resource, {self.name: self._value}, client)
        return "works" if all(map(wanted.is_wanted, rows)) else "ignored"

    def is_compared(self, parameter: str) -> bool:
        """Return whether all rows are read and compared if the platform finds nothing."""
        return checked_query(self._read.api, self.resource, {parameter: ""}) is not None

    def candidates(self, parameter: str, declared: Sequence[str]) -> list[str]:
        """Return parameters that may mean the filter: names of its field in rows, and similar ones of the schema."""
        theirs = self._read.client.translator(self.resource).their_name(self._field)
        plain = {each: plain_name(each) for each in declared}
        wanted = [plain_name(each) for each in (parameter, self.name, self._field, theirs)]
        equal = [each for each, text in plain.items() if text in wanted or text.removesuffix("_id") in wanted]
        close = difflib.get_close_matches(wanted[0], list(plain.values()), MOST_PROBED, SIMILAR)
        near = [each for text in close for each in plain if plain[each] == text]
        proposed = [name for name, field in self._renamed.items() if field == self._field]
        known = set(self._read.api.filter_names(self.resource).values())
        likely = [*proposed, *map(plain_name, proposed), *equal, theirs, f"{theirs}_id", *near]
        return [each for each in dict.fromkeys(likely) if each not in known][:MOST_PROBED]

    def _with_names(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(row) | {field: row[name] for name, field in self._renamed.items() if name in row}


def _line(probe: _Probe, key: str, parameter: str, declared: Sequence[str] | None) -> Line:
    keys = tuple(key.split("."))
    outcome = probe.result(parameter)
    unnamed = declared is not None and parameter not in declared
    schema = f" The schema of the list has no {parameter}." if unnamed else ""
    if outcome == "works":
        return Line(key, AS_ASSUMED, f"{parameter} selects rows.{schema}{' Samples decide.' if schema else ''}")
    what = f"{parameter}{_OUTCOMES[outcome]}"
    if outcome == "unknown" and not unnamed:
        return Line(key, UNKNOWN, f"{what}.")
    likely = probe.candidates(parameter, declared or ())
    found = next((each for each in likely if probe.result(each) == "works"), None)
    is_right = outcome == "ignored" or (outcome == "nothing" and probe.is_compared(parameter))
    compared = " All rows are read and compared." if is_right else ""
    if found is not None:
        text = f"{what}.{compared}{schema} {found} selects rows."
        return Line(key, RECOGNIZED if is_right else WRITE, text, (Proposal(keys, found),))
    if outcome == "unknown":
        if declared and (similar := next((each for each in likely if each in declared), None)):
            return Line(key, WRITE, f"{what}.{schema} It has {similar}.", (Proposal(keys, similar),))
        return Line(key, UNKNOWN, f"{what}.{schema}")
    if is_right:
        return Line(key, RECOGNIZED, f"{what}.{compared}{schema}")
    return Line(key, WRITE, f"{what}.{schema} Without it, all rows are read and compared.", (Proposal(keys, ""),))


def _since(key: str, parameter: str | None, declared: Sequence[str] | None) -> Line:
    """Return the line of the filter for changed records, which only the schema shows."""
    if declared is None:
        return Line(key, UNKNOWN, "the platform shows no schema of the list.")
    if parameter is not None:
        if parameter in declared:
            return Line(key, AS_ASSUMED, f"the schema has {parameter}.")
        return Line(key, UNKNOWN, f"the schema of the list has no {parameter}.")
    plain = {plain_name(each).replace("__", "_"): each for each in declared}
    found = next((plain[each] for each in SINCE if each in plain), None)
    if found is None:
        return Line(key, AS_ASSUMED, "the schema of the list has no such filter.")
    text = f"the schema has {found}. If it is written down, pulls request only what has changed."
    return Line(key, RECOGNIZED, text, (Proposal(tuple(key.split(".")), found),))


def _declared(read: Read, resource: str) -> list[str] | None:
    """Return the parameters of a list in the schema; ``None`` if the schema does not have it."""
    operation = read.schema.operation("get", read.api.path(resource)) if read.schema else None
    return None if read.schema is None or operation is None else list(read.schema.query(operation))
