"""Compare what was read of a sandbox with shapes with what the same sandbox has without one."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.client.names import plain_name
from airflow_provider_openesg.sandbox.shapes.ids import number_of
from airflow_provider_openesg.sandbox.shapes.records import REFERENCES
from airflow_provider_openesg.sandbox.shapes.values import DATATYPE_WORDS
from airflow_provider_openesg.tables import TABLES

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.shapes.table import Shape

Row = Mapping[str, Any]
Tables = Mapping[str, Iterable[Row]]

_RECORDS = {
    "organizations": "organization",
    "report_templates": "report_template",
    "sections": "section",
    "field_types": "field_type",
    "report_requests": "report_request",
    "reports": "report",
    "field_values": "field_value",
}
_REFERENCES = {
    "template_id": "report_template",
    "organization_id": "organization",
    "catalog_id": "catalog",
    "parent_id": "section",
    "section_id": "section",
    "field_type_id": "field_type",
    "metric_type_id": "metric_type",
    "user_id": "user",
    "report_id": "report",
    "report_request_id": "report_request",
    "measurement_id": "measurement",
}
"""Column with an id to the kind of record."""

_PARTS = {"units": "unit", "measurements": "measurement"}
"""Column with a JSON list of records to their kind."""

_JSON = ("extra", "scoped_external_data", "value_complex", "attachment")
_TEXTS = {kept: word for kept, word in DATATYPE_WORDS.items() if kept in ("text", "short_text", "string")}


class Normal:
    """Rows in a form that does not depend on the shape. One method for each kind of difference that is allowed.

    :param shape: settings of the sandbox whose rows are compared; ``None`` without one.
    """

    def __init__(self, shape: Shape | None) -> None:
        self._shape = shape

    def differences(self, truth: Tables, got: Tables) -> list[str]:
        """Return what differs: rows that are missing, added or read twice, and cells by column."""
        found = []
        for table, rows in truth.items():
            expected = {self._key(table, row): row for row in rows}
            keys = [self._key(table, row) for row in got.get(table, ())]
            actual = dict(zip(keys, got.get(table, ()), strict=True))
            if expected.keys() != actual.keys():
                missing, added = expected.keys() - actual.keys(), actual.keys() - expected.keys()
                examples = sorted(missing | added)[:3]
                found.append(f"{table}: {len(missing)} rows are missing, {len(added)} are added: {examples}")
                continue
            if twice := [key for key, count in Counter(keys).items() if count > 1]:
                found.append(f"{table}: {len(twice)} rows were read twice: {twice[:3]}")
            cells = defaultdict(list)
            for column, one, two, key in self._cells(table, expected, actual):
                cells[column].append(f"{one!r:.100} is {two!r:.100} {key}")
            found += [f"{table}.{column}: {len(each)} cells, such as {each[0]}" for column, each in cells.items()]
        return found

    def wrong_cells(self, truth: Tables, got: Tables) -> set[tuple[str, Any]]:
        """Return column and wrong value of the cells that differ, of the rows that both have."""
        return {
            (f"{table}.{column}", str(two))
            for table, rows in truth.items()
            for column, _, two, _ in self._cells(
                table,
                {self._key(table, row): row for row in rows},
                {self._key(table, row): row for row in got.get(table, ())},
            )
        }

    def _cells(
        self, table: str, expected: Mapping[Any, Row], actual: Mapping[Any, Row]
    ) -> Iterator[tuple[str, Any, Any, Any]]:
        for key, row in expected.items():
            if key not in actual or row == actual[key]:
                continue
            normal, other = self._row(table, row, is_truth=True), self._row(table, actual[key], is_truth=False)
            for column in normal | other:
                one, two = normal.get(column, "no such column"), other.get(column, "no such column")
                if one != two or type(one) is not type(two):
                    yield column, one, two, key

    def ids(self, kind: str, ids: Iterable[Any]) -> list[str]:
        """Return ids as those without shape."""
        return [str(self._id(kind, each)) for each in ids]

    def _key(self, table: str, row: Row) -> tuple[Any, ...]:
        kinds = {"id": _RECORDS[table], **_REFERENCES}
        return tuple(self._id(kinds[column], row[column]) for column in TABLES[table])

    def _row(self, table: str, row: Row, *, is_truth: bool) -> dict[str, Any]:
        normal = dict(row)
        for column, kind in {"id": _RECORDS[table], **_REFERENCES}.items():
            if column in normal and not is_truth:
                normal[column] = self._id(kind, normal[column])
        for column, kind in _PARTS.items():
            if normal.get(column):
                normal[column] = self._parts(kind, json.loads(normal[column]))
        for column in _JSON:
            if normal.get(column) and (table, column) != ("field_types", "attachment"):
                normal[column] = json.loads(normal[column])
        if self._shape is not None:
            self._extra(table, normal, self._shape, is_truth=is_truth)
            self._units(table, normal, self._shape)
            self._value(table, normal, self._shape)
            self._datatype(table, normal, self._shape)
        return normal

    def _id(self, kind: str, value: Any) -> Any:
        """Ids: a UUID is the number that the sandbox made it of."""
        number = number_of(kind, value) if isinstance(value, str) else None
        return value if number is None else str(number)

    def _parts(self, kind: str, parts: list[Any]) -> list[Any]:
        """Units and measurements: any order of names, and ids as numbers or as text."""
        return [
            {name: str(self._id(kind, part)) if name == "id" else part for name, part in each.items()} for each in parts
        ]

    def _extra(self, table: str, row: dict[str, Any], shape: Shape, *, is_truth: bool) -> None:
        """Names in ``extra`` are as sent. It has what the response has: more or less of a referenced record."""
        extra = _plain(row["extra"]) or {}
        for name in REFERENCES.get(_RECORDS[table], {}):
            if shape.references in ("suffixed", "url") and shape.envelope != "jsonapi" and is_truth:
                extra.pop(name, None)  # only its id is sent
            elif shape.references == "object" and not is_truth and extra.get(name, {}).keys() <= {"key", "name"}:
                extra.pop(name, None)
        row["extra"] = extra or None

    def _units(self, table: str, row: dict[str, Any], shape: Shape) -> None:
        """Units: if a field type has two, ``unit`` is that of the value."""
        if table == "field_types" and shape.own_unit:
            row["units"] = [each for each in row["units"] or () if not each["key"].startswith("thousand_")] or None
            row["unit"] = None

    def _value(self, table: str, row: dict[str, Any], shape: Shape) -> None:
        """Texts of values are as sent, so only whether there is one; the typed columns are compared."""
        if table != "field_values":
            return
        if shape.german_numbers or shape.german_dates or shape.value_form == "with-unit":
            row["value"] = row["value"] is not None
        if shape.value_form == "complex-only":
            row["value_complex"] = None
            if shape.german_numbers or shape.german_dates:
                row["value"] = True

    def _datatype(self, table: str, row: dict[str, Any], shape: Shape) -> None:
        """Data types: a platform may have one word for several texts, and newer types in capitals."""
        if "datatype" in row and shape.datatype == "words":
            row["datatype"] = _TEXTS.get(row["datatype"], row["datatype"])
        elif "datatype" in row and shape.datatype == "upper":
            row["datatype"] = row["datatype"] and row["datatype"].lower()


def _plain(value: Any) -> Any:
    """Return JSON with names in snake case and American spelling."""
    if isinstance(value, dict):
        return {plain_name(name): _plain(part) for name, part in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
