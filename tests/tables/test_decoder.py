"""Records from JSON: every envelope, every reference, unknown fields, and errors."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from msgspec import Raw

from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.records import REPORT, SECTION
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text


@pytest.mark.parametrize(
    ("body", "count", "link"),
    [
        (b'{"items": [{"id": 1}, {"id": "b"}], "count": 2}', 2, None),
        (
            b'{"results": [{"id": 1}, {"id": "b"}], "next": "https://x/?offset=2", "previous": null}',
            None,
            "https://x/?offset=2",
        ),
        (b'[{"id": 1}, {"id": "b"}]', None, None),
        (b'{"items": [{"id": 1, "new": 1}, {"id": "b"}], "count": 2, "generated": "now"}', 2, None),
    ],
)
def test_envelopes(body: bytes, count: int | None, link: str | None) -> None:
    page = RecordDecoder(REPORT).page(body)
    assert (page.ids, page.count, page.next, len(page.rows)) == ([1, "b"], count, link, 2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail": "Unauthorized"}', "expected a list"),
        (b'{"items": 5}', "expected a list"),
        (b"[5]", "report: expected an object, not 5"),
        (b'[{"status": "new"}]', "report: no 'id' in"),
        (b'[{"id": null}]', "'id' must be text or an integer, not null"),
        (b'[{"id": 3, "field_values": {"1": "none"}}]', "report 3: 'field_values' must be a list, not {"),
        (
            b'[{"id": 3, "organization": true}]',
            "report 3: 'organization' must be an id, or an object that has one, not true",
        ),
        (b'[{"id": 3, "organization": {"name": "x"}}]', "report 3: organization: no 'id'"),
        (
            b'[{"id": 3, "field_values": [{"id": 1, "section": [2]}]}]',
            "report 3: field value 1: 'section' must be an id",
        ),
    ],
)
def test_invalid_structure_is_an_error(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=r".*") as error:
        RecordDecoder(REPORT).page(body)
    assert message in str(error.value)


def test_total_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected the total to be a number of rows, not 'many'"):
        RecordDecoder(REPORT).page(b'{"items": [], "count": "many"}')


@pytest.mark.parametrize(
    "body", [b'{"items": null, "count": 0}', b'{"count": 0}', b'{"data": [], "meta": {"total": 0}}']
)
def test_list_without_rows(body: bytes) -> None:
    decoder = RecordDecoder(REPORT)
    for _ in range(2):
        assert decoder.page(body).rows == []
        assert len(decoder.page(b'{"items": [{"id": 1}], "count": 1}').rows) == 1


def test_unknown_fields_are_stored_exactly(tables) -> None:
    body = (
        b'[{"id":1,"a":1.00,"b":null,"c d":{"x":[1e5, 2]},"user":{"id":1,"title":"Dr."}},'
        b'{"id":2,"a\\"b":9007199254740993},{"id":3}]'
    )
    extras = [row["extra"] for row in tables.of_reports(body)["reports"]]
    assert extras == [
        '{"a":1.00,"b":null,"c d":{"x":[1e5, 2]},"user":{"title":"Dr."}}',
        '{"a\\"b":9007199254740993}',
        None,
    ]


def test_unknown_fields_of_one_page_are_known_on_the_next(tables) -> None:
    tables.of_reports(b'[{"id":1,"a":1}]')
    assert [row["extra"] for row in tables.of_reports(b'[{"id":2,"a":2,"b":3},{"id":3}]')["reports"]] == [
        '{"a":2,"b":3}',
        None,
    ]


def test_300_unknown_fields(tables) -> None:
    fields = {f"name {number}": number for number in range(300)}
    assert json.loads(tables.of_reports([{"id": 1, **fields}])["reports"][0]["extra"]) == fields


def test_values_of_a_wrong_type_go_to_extra_and_are_counted(tables) -> None:
    odd = {
        "progress": "abc",
        "submitted_at": "gestern",
        "period_start": "2025-13-01",
        "status": {"a": 1},
        "reason": [1],
    }
    row, valid = tables.of_reports(
        [{"id": 1, **odd}, {"id": 2, "progress": 33.3, "submitted_at": "2026-01-01T00:00:00Z"}]
    )["reports"]
    assert json.loads(row["extra"]) == odd
    assert {row[name] for name in odd} == {None}
    assert tables.summary.malformed == {f"report.{name}": 1 for name in odd}
    assert (valid["progress"], valid["submitted_at"], valid["extra"]) == (33.3, datetime(2026, 1, 1, tzinfo=UTC), None)


def test_values_of_a_wrong_type_in_an_object_go_to_extra(tables) -> None:
    user = {"id": 9, "email": {"work": "a@b.c"}, "first_name": ["A"], "last_name": "B", "title": "Dr."}
    (row,) = tables.of_reports([{"id": 1, "user": user}])["reports"]
    assert (row["user_id"], row["user_email"], row["user_first_name"], row["user_last_name"]) == ("9", None, None, "B")
    assert json.loads(row["extra"]) == {"user": {"email": {"work": "a@b.c"}, "first_name": ["A"], "title": "Dr."}}
    assert tables.summary.malformed == {"report.user.email": 1, "report.user.first_name": 1}


def test_unknown_fields_of_an_object_in_an_object_go_to_extra(tables) -> None:
    template = {"id": 1, "organization": {"id": 4, "color": "red"}, "catalog": {"id": 5, "year": 2025}}
    (row,) = tables.of_reports([{"id": 1, "template": template}])["reports"]
    assert row["template_id"] == "1"
    assert json.loads(row["extra"]) == {"template": {"organization": {"color": "red"}, "catalog": {"year": 2025}}}


@pytest.mark.parametrize("number", ["1e400", "-1e400", '"NaN"', '"Infinity"', "1.00000000000000000001"])
def test_number_that_a_float_cannot_store_goes_to_extra(tables, number) -> None:
    body = f'[{{"id":1,"progress":{number}}},{{"id":2,"progress":null}}]'
    row, without = tables.of_reports(body.encode())["reports"]
    assert (row["progress"], row["extra"]) == (None, f'{{"progress":{number}}}')
    assert (without["progress"], without["extra"]) == (None, None)
    assert tables.summary.malformed == {"report.progress": 1}


@pytest.mark.parametrize("number", ["1e400", '"NaN"', "0.0000000000001", "123456789012345678901234567"])
def test_limit_that_a_decimal_cannot_store_goes_to_extra(tables, number) -> None:
    body = f'[{{"id":5,"field_types":[{{"id":1,"min":{number}}},{{"id":2,"min":0.5}}]}}]'
    sections = RecordDecoder(SECTION).page(body.encode()).rows
    (batch,) = builders.field_types("1", sections, tables.summary)
    assert batch.column("min").to_pylist() == [None, Decimal("0.5")]
    assert batch.column("extra").to_pylist() == [f'{{"min":{number}}}', None]
    assert tables.summary.malformed == {"field type.min": 1}


def test_json_that_is_not_utf_8_is_an_error(tables) -> None:
    with pytest.raises(OpenESGContractError, match="The platform sent JSON that is not UTF-8"):
        tables.of_reports(b'[{"id":1,"color":"gr\xfcn"}]')


def test_scalars_of_another_type_are_text_as_sent(tables) -> None:
    (row,) = tables.of_reports(
        b'[{"id":"a-b","status":5.00,"customer_identifier":12345678901234567890123,"reason":true}]'
    )["reports"]
    assert (row["id"], row["status"], row["customer_identifier"], row["reason"]) == (
        "a-b",
        "5.00",
        "12345678901234567890123",
        "true",
    )
    assert row["extra"] is None


def test_references_as_ids_objects_and_nulls(tables) -> None:
    organization = {"id": 17, "name": "Firma", "type": "gmbh", "vat_id": None}
    user = {"id": 9, "email": "a@example.com", "first_name": "A", "last_name": "B"}
    rows = tables.of_reports(
        [
            {
                "id": 1,
                "template": 1,
                "organization": organization,
                "user": user,
                "report_request": {"id": "r", "status": "x"},
            },
            {"id": 2, "template": {"id": 1, "key": "vsme"}, "organization": 17, "user": 9, "report_request": "r"},
            {"id": 3, "organization": None, "user": None},
        ]
    )["reports"]
    assert [(row["template_id"], row["organization_id"], row["user_id"], row["report_request_id"]) for row in rows] == [
        ("1", "17", "9", "r"),
        ("1", "17", "9", "r"),
        (None, None, None, None),
    ]
    assert [row["user_email"] for row in rows] == ["a@example.com", None, None]
    assert [row["extra"] for row in rows] == ['{"report_request":{"status":"x"}}', None, None]


def test_alternative_field_names(tables) -> None:
    one, two = tables.of_reports(
        [
            {
                "id": 1,
                "report_template": 4,
                "request": 5,
                "start_date": "2025-01-01",
                "provider": {"id": 6, "email": "a@b.c"},
            },
            {"id": 2, "template": 7, "report_template": 8},
        ]
    )["reports"]
    assert (one["template_id"], one["report_request_id"], one["period_start"]) == ("4", "5", date(2025, 1, 1))
    assert (one["user_id"], one["user_email"], one["extra"]) == ("6", "a@b.c", None)
    assert (two["template_id"], two["extra"]) == ("7", '{"report_template":8}')


def test_times_are_utc(tables) -> None:
    times = ["2026-01-01T12:00:00+02:00", "2026-01-01T12:00:00", "2026-01-01 12:00:00.123456Z"]
    rows = tables.of_reports([{"id": number, "updated_at": time} for number, time in enumerate(times)])["reports"]
    assert [row["updated_at"].isoformat() for row in rows] == [
        "2026-01-01T10:00:00+00:00",
        "2026-01-01T12:00:00+00:00",
        "2026-01-01T12:00:00.123456+00:00",
    ]


def test_text_of_an_object_is_none() -> None:
    assert [as_text(Raw(text)) for text in (b'{"a": 1}', b"[1]", b"null", b"1.50", b'"x"')] == [
        None,
        None,
        None,
        "1.50",
        "x",
    ]
