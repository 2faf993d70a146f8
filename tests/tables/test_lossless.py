"""Lossless tables: columns and ``extra`` together contain any JSON that the platform may send."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_openesg.client.names import PERIODS, plain_name, resolve
from airflow_provider_openesg.records import FIELD_VALUE, REPORT
from airflow_provider_openesg.tables.value_format import number

REPORT_COLUMNS = {
    "id": "id",
    "template": "template_id",
    "report_request": "report_request_id",
    "organization": "organization_id",
    "status": "status",
    "progress": "progress",
    "period_start": "period_start",
    "customer_identifier": "customer_identifier",
    "reason": "reason",
    "updated_at": "updated_at",
}
VALUE_COLUMNS = {
    "id": "id",
    "organization": "organization_id",
    "value": "value",
    "value_complex": "value_complex",
    "comment": "comment",
    "measurement": "measurement_id",
    "attachment": "attachment",
    "instance_id": "instance_id",
    "valid": "valid",
    "required": "required",
    "section": "section_id",
    "field_type": "field_type_id",
}
REFERENCES = {"id", "template", "report_request", "organization", "measurement", "section", "field_type"}
JSON_COLUMNS = {"value_complex", "attachment"}


class Exact(float):
    """A JSON number that keeps its digits. ``0.0`` and ``0.0E0`` are equal: translated records are encoded again."""

    def __new__(cls, digits: str) -> Self:
        self = super().__new__(cls, digits)
        self.digits = digits
        return self

    def __repr__(self) -> str:
        return self.digits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | Exact) and Decimal(self.digits) == Decimal(repr(other))

    __hash__ = float.__hash__


def dumps(value: Any) -> str:
    """Write JSON; the json module would write a float by itself."""
    if isinstance(value, Exact):
        return value.digits
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def loads(body: str) -> Any:
    return json.loads(body, parse_float=Exact)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
digits = st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}([eE][+-]?[0-9]{1,2})?", fullmatch=True).map(Exact)
scalar = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | digits | text
any_json = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
identity = st.integers(0, 10**9) | st.text("abcdef0123456789-", min_size=1, max_size=8)
reference = st.none() | identity | st.builds(lambda each: {"id": each}, identity)


def is_unknown(name: str) -> bool:
    """Return whether a name is not that of a field, in any spelling."""
    others = {*PERIODS, "attributes", "sections"}
    return plain_name(name) not in others and not any(resolve(type_, [name], {}) for type_ in (REPORT, FIELD_VALUE))


unknown = st.dictionaries(text.filter(is_unknown), any_json, max_size=3)


def record(columns: dict[str, str], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: reference if name in REFERENCES else any_json for name in columns if name != "id"}
    return st.builds(
        lambda each, fields, unknown: {"id": each, **fields, **unknown},
        identity,
        st.fixed_dictionaries(more, optional=fields),
        unknown,
    )


values = st.lists(record(VALUE_COLUMNS), max_size=4)
pages = st.lists(record(REPORT_COLUMNS, field_values=values), min_size=1, max_size=4)


def assert_lossless(sent: dict[str, Any], row: dict[str, Any], columns: dict[str, str]) -> None:
    """Every field is in its column or, as it was sent, in ``extra``; nothing else is."""
    extra = loads(row["extra"]) if row["extra"] else {}
    for name, value in sent.items():
        if name in extra:
            assert extra.pop(name) == value
            assert name not in columns or row[columns[name]] is None
        elif name != "field_values":
            assert_column_value(name, value, row[columns[name]])
    assert extra == {}


def assert_column_value(name: str, sent: Any, stored: Any) -> None:
    if name in REFERENCES and isinstance(sent, dict):
        sent = sent["id"]
    if sent is None:
        # A value without a section has the section of its field type.
        assert stored is None or name == "section"
    elif name in JSON_COLUMNS:
        assert loads(stored) == sent
    elif isinstance(stored, str) and isinstance(sent, Exact):
        assert Exact(stored) == sent
    elif isinstance(stored, str):
        assert stored == (sent if isinstance(sent, str) else dumps(sent))
    elif isinstance(stored, float):
        assert Decimal(repr(stored)) == Decimal(dumps(sent).strip('"'))
    elif isinstance(stored, bool):
        assert stored is sent
    else:
        assert stored.isoformat()[:10] == sent[:10]


@settings(max_examples=60, deadline=None)
@given(page=pages, following=pages)
# A field name that an earlier version used for fields that cannot be fields of a struct.
@example(page=[{"id": 0, "field_values": [{"id": 0, "\u2026rest": None}]}], following=[{"id": 0, "field_values": []}])
def test_nothing_is_lost(tables_of, page: list[Any], following: list[Any]) -> None:
    tables = tables_of()
    for reports in (page, following, page):  # the decoder knows the unknown fields of the page before
        rows = tables.of_reports(dumps(reports).encode(), sections=None)
        assert len(rows["reports"]) == len(reports)
        for sent, row in zip(reports, rows["reports"], strict=True):
            assert_lossless(sent, row, REPORT_COLUMNS)
        sent_values = [value for report in reports for value in report["field_values"]]
        for sent, row in zip(sent_values, rows["field_values"], strict=True):
            assert_lossless(sent, row, VALUE_COLUMNS)


@settings(max_examples=60, deadline=None)
@given(sent=st.lists(st.tuples(st.sampled_from([1, 2, 6, 7, 8]), text | digits.map(repr)), min_size=1, max_size=30))
def test_every_malformed_value_keeps_its_text_and_is_counted(tables_of, sent: list[tuple[int, str]]) -> None:
    tables = tables_of()
    values = [
        {"id": n, "field_type": field_type, "section": 5, "value": value} for n, (field_type, value) in enumerate(sent)
    ]
    rows = tables.of_reports([{"id": 1, "template": 1, "field_values": values}])["field_values"]
    assert [row["value"] for row in rows] == [value for _, value in sent]
    typed = ("value_decimal", "value_integer", "value_boolean", "value_start", "value_code")
    unread = [row for row in rows if row["value"].strip() and all(row[name] is None for name in typed)]
    assert tables.summary.malformed.total() == len(unread)
    for row in rows:
        if row["datatype"] == "decimal":
            assert row["value_decimal"] == number(row["value"])


@pytest.fixture(scope="module")
def tables_of():
    from airflow_provider_openesg.tables import read  # noqa: F401 - once, not in the first example
    from tests.tables.conftest import Tables

    return Tables
