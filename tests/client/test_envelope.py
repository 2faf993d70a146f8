"""Rows, totals and links in the responses of different frameworks."""

import json

import pytest

from airflow_provider_openesg.api import Envelope
from airflow_provider_openesg.client.envelope import at, find, link_of, single_body, single_record, snake_case, total_of

ROW = {"id": 1}
AUTO = Envelope()


def fields(content):
    return [name for name in content if name in ("id", "status", "template")]


@pytest.mark.parametrize(
    ("content", "rows", "total", "link"),
    [
        ([ROW], (), None, None),
        ({"items": [ROW], "count": 3}, ("items",), 3, None),
        ({"results": [ROW], "count": 3, "next": None, "previous": None}, ("results",), 3, None),
        ({"data": [ROW], "meta": {"pagination": {"total": 130, "page": 1}}}, ("data",), 130, None),
        ({"data": [ROW], "meta": {"count": 1, "totalCount": 130}}, ("data",), 130, None),
        ({"data": {"reports": [ROW], "total": 7}}, ("data", "reports"), 7, None),
        (
            {"_embedded": {"reports": [ROW]}, "_links": {"next": {"href": "/r?page=2"}}, "page": {"totalElements": 9}},
            ("_embedded", "reports"),
            9,
            "/r?page=2",
        ),
        ({"esgReports": [ROW], "nextCursor": "abc"}, ("esgReports",), None, "abc"),
        ({"data": [ROW], "links": {"next": None}, "next_cursor": "abc"}, ("data",), None, "abc"),
        ({"items": [ROW], "errors": []}, ("items",), None, None),
        ({"items": [ROW], "facets": [{"name": "x"}]}, ("items",), None, None),
        ({"items": [], "total": 0}, ("items",), 0, None),
        ({"reports": []}, ("reports",), None, None),
        ({"items": [ROW], "links": [{"rel": "next", "href": "/x"}]}, ("items",), None, None),
        ({"items": [ROW], "next_page": 2, "total": 3}, ("items",), 3, "2"),
        ({"value": [ROW], "@odata.count": 130}, ("value",), 130, None),
        ({"facets": [{"id": 1}], "items": [], "count": 0}, ("items",), 0, None),
    ],
)
def test_parts_of_a_page(content, rows, total, link):
    found = find(content, AUTO)
    assert found.rows == rows
    assert total_of(at(content, found.total)) == total
    assert link_of(at(content, found.next)) == link


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"items": [ROW], "data": [ROW]},
            "several lists of objects: 'items' and 'data'.*envelope = {rows = \"items\"}",
        ),
        ({"reports": [ROW], "companies": [ROW]}, "'reports' and 'companies'"),
        ({"detail": "no"}, r"expected a list such as .*, not 'detail'\. .*envelope = {rows"),
        ({"a": [], "b": []}, "expected a list"),
        ("text", "expected a list"),
        ({"items": {"id": 1}}, "expected a list"),
    ],
)
def test_response_that_is_not_clear_is_an_error_that_says_what_to_write(content, message):
    with pytest.raises(ValueError, match=message):
        find(content, AUTO)


def test_places_that_the_user_wrote_down():
    content = {"a": {"b": [ROW]}, "items": [ROW], "n": {"all": 5}, "more": {"at": "?p=2"}, "count": 1}
    found = find(content, Envelope("a.b", "n.all", "more.at"))
    assert [at(content, place) for place in (found.rows, found.total, found.next)] == [[ROW], 5, "?p=2"]
    with pytest.raises(ValueError, match=r"expected a list under 'a\.c'"):
        find(content, Envelope("a.c"))


@pytest.mark.parametrize(("value", "total"), [(3, 3), ("3", 3), (3.0, 3), (-1, None), (None, None)])
def test_totals(value, total):
    assert total_of(value) == total


@pytest.mark.parametrize("value", ["three", True, 1.5])
def test_total_that_is_no_number_of_rows_is_an_error(value):
    with pytest.raises(ValueError, match="expected the total to be a number of rows"):
        total_of(value)


def test_single_records():
    for content in (ROW, {"data": ROW}, {"report": ROW, "meta": {}}):
        assert single_record(content, fields) == ROW
        assert json.loads(single_body(json.dumps(content).encode(), fields)) == ROW


def test_single_record_next_to_other_objects():
    record = {"id": 7, "status": "submitted", "template": 1}
    for content in (
        {"report": record, "links": {"self": "/x"}},
        {"id": "request-1", "data": record, "meta": {"id": "m"}},
    ):
        assert single_record(content, fields) == record
        assert json.loads(single_body(json.dumps(content).encode(), fields)) == record
    assert single_record([record], fields) == record


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("totalCount", "total_count"),
        ("Total-Count", "total_count"),
        ("total_count", "total_count"),
        ("vatID", "vat_id"),
        ("HTTPStatus", "http_status"),
        ("iso9001Valid", "iso9001_valid"),
    ],
)
def test_snake_case(name, snake):
    assert snake_case(name) == snake
