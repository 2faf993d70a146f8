"""All rows are checked: every error names row, column, value and the allowed values."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.reports.requests.columns import COLUMNS, COUNTRIES, LEGAL_FORMS
from airflow_provider_openesg.reports.requests.csv_file import read_csv
from airflow_provider_openesg.reports.requests.rows import RowError, check_rows

TEMPLATES = {"1": [1], "2": [2], "3": [3], "vsme": [1], "lksg": [2], "pilot": [2, 3]}
ROW = {"organization_name": "Neu GmbH", "user_email": "anna@neu.example", "report_template": "vsme"}


def check(*rows, default=None):
    return check_rows(list(enumerate(rows, 1)), TEMPLATES, default)


def body(**changes):
    checked = check(ROW | changes)
    assert not checked.errors
    return checked.valid[0].body


def test_columns_match_the_platforms_page():
    assert len(COLUMNS) == 37
    assert [name for name, column in COLUMNS.items() if column.mandatory] == ["organization_name", "user_email"]
    assert len(LEGAL_FORMS) == 24
    assert len(COUNTRIES) == 249


@pytest.mark.parametrize(
    ("column", "given", "sent"),
    [
        ("organization_legal_form", "gmbh-co-kg", "gmbh-co-kg"),
        ("organization_legal_form", "GmbH", "gmbh"),
        ("organization_legal_form", " GmbH & Co. KG ", "gmbh-co-kg"),
        ("organization_legal_form", "GMBH & CO KG", "gmbh-co-kg"),
        ("organization_legal_form", "GmbH und Co.KG", "gmbh-co-kg"),
        ("organization_legal_form", "UG (haftungsbeschränkt)", "ug"),
        ("organization_legal_form", "AdöR", "adoer"),
        ("organization_legal_form", "e. K.", "ek"),
        ("organization_legal_form", "PartG mbB", "part-gmbb"),
        ("organization_legal_form", "Natural Person", "natural_person"),
        ("organization_country", "FR", "FR"),
        ("user_timezone", "Europe/Berlin", "Europe/Berlin"),
        ("user_email", "j.müller+esg@bücher.example", "j.müller+esg@bücher.example"),
        ("submission_date", date(2026, 4, 30), "2026-04-30"),
        ("submission_date", datetime(2026, 4, 30, tzinfo=UTC), "2026-04-30"),
        ("customer_identifier", 4711, "4711"),
        ("customer_identifier", 4711.0, "4711"),
        ("customer_identifier", Decimal("4711.00"), "4711"),
        ("customer_identifier", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("report_template", 2, 2),
        ("report_template", "lksg", 2),
        ("provider_notification", "no_notification", "no_notification"),
        ("requestor3_email", "b@bank.example", "b@bank.example"),
    ],
)
def test_sent_values(column, given, sent):
    assert body(**{column: given})[column] == sent


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
def test_empty_values_are_not_sent(empty):
    assert "organization_country" not in body(organization_country=empty)


@pytest.mark.parametrize(
    ("column", "given", "allowed"),
    [
        ("organization_name", None, "text; it is mandatory"),
        ("user_email", "", "an e-mail address; it is mandatory"),
        ("user_email", "nobody", "an e-mail address"),
        ("user_email", "a@b", "an e-mail address"),
        ("user_email", "a..b@neu.example", "an e-mail address"),
        ("user_email", "a@neu.example, b@neu.example", "an e-mail address"),
        ("user_email", "a@-neu.example", "an e-mail address"),
        ("requestor2_email", "x", "an e-mail address"),
        ("organization_legal_form", "gmbhh", "Did you mean 'gmbh'"),
        ("organization_country", "DEU", "an ISO 3166-1 alpha-2 code"),
        ("organization_country", "de", "an ISO 3166-1 alpha-2 code"),
        ("user_locale", "de", "en_US, de_DE, fr_FR, es_ES, it_IT"),
        ("user_salutation", "Herr", "dear_mr, dear_mrs, good_day"),
        ("user_timezone", "Berlin", "a name of the tz database"),
        ("submission_date", "30.04.2026", "an ISO 8601 date"),
        ("submission_date", "2026-02-30", "an ISO 8601 date"),
        ("submission_date", datetime(2026, 4, 30, 12, tzinfo=UTC), "a date without a time of day"),
        ("provider_notification", "later", "directly, after_esg_risk_check, no_notification"),
        ("report_template", "vsne", "one of 1, 2, 3, vsme, lksg, pilot"),
        ("report_template", None, "one of 1, 2, 3, vsme, lksg, pilot"),
        ("organization_city", ["Köln"], "text, whole numbers and dates"),
        ("customer_identifier", True, "text, whole numbers and dates"),
        ("customer_identifier", 4711.5, "text, whole numbers and dates"),
        ("customer_identifier", Decimal("Infinity"), "text, whole numbers and dates"),
        ("organisation_name", "Neu GmbH", "Did you mean 'organization_name'"),
    ],
)
def test_invalid_values_are_an_error(column, given, allowed):
    checked = check(ROW, ROW | {"organization_name": "Andere", column: given})
    assert [row.number for row in checked.valid] == [1]
    (error,) = checked.errors[2]
    assert (error.row, error.column) == (2, column)
    assert allowed in error.allowed
    assert (repr(given) if given else "no value") in str(error)


def test_all_errors_of_all_rows_are_returned():
    checked = check(ROW | {"user_email": "x", "user_locale": "y"}, ROW, {"organization_name": "Z"}, "text")
    assert {number: [error.column for error in errors] for number, errors in checked.errors.items()} == {
        1: ["user_email", "user_locale"],
        3: ["report_template", "user_email"],
        4: ["row"],
    }


def test_rows_with_the_same_error_share_a_message():
    some = [
        ROW | {"organization_name": f"N{number}", "vat_id": number, "user_locale": "de-DE"} for number in range(1000)
    ]
    some[1]["user_email"] = None
    some[7]["user_locale"] = "en-US"
    errors = [error for row in check(*some).errors.values() for error in row]
    assert len(errors) == 2001
    locales = "allowed: en_US, de_DE, fr_FR, es_ES, it_IT. Did you mean"
    vat, locale, email, other = RowError.grouped(errors)
    rows = "1000 rows (1 to 1000)"
    assert vat == f"{rows}, vat_id: 0 given; allowed: a known column. Did you mean 'organization_vat_id'?"
    rows = "999 rows (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, …)"
    assert locale == f"{rows}, user_locale: 'de-DE' given; {locales} 'de_DE'?"
    assert email == "row 2, user_email: no value given; allowed: an e-mail address; it is mandatory"
    assert other.startswith(f"row 8, user_locale: 'en-US' given; {locales} 'en_US'")


def test_default_template_applies_to_rows_without_one():
    bare = {name: ROW[name] for name in ("organization_name", "user_email")}
    checked = check(bare, bare | {"report_template": 2}, default="vsme")
    assert [row.body["report_template"] for row in checked.valid] == [1, 2]


def test_keys():
    own = check(ROW | {"customer_identifier": "K-1", "reason": "2026"}).valid[0].key
    assert tuple(own) == ("1", "K-1", "2026")
    one, same_company, reason = (
        check(ROW | changes).valid[0]
        for changes in ({}, {"organization_name": "NEU  gmbh", "user_email": "Anna@Neu.example"}, {"reason": "2027"})
    )
    assert one.key == same_company.key
    assert one.body["customer_identifier"] == one.key.customer_identifier == "auto-75673c339ef92d112e91a32b"
    assert one.key != reason.key
    assert one.key != check(ROW | {"user_email": "b@neu.example"}).valid[0].key
    assert "anna" not in repr(one)


def test_duplicate_rows_are_found():
    assert check(ROW, ROW | {"reason": "2027"}, ROW).duplicates == {3: 1}


CSV = 'organization_name,user_email,report_template\n"Neu, Alt; GmbH",a@neu.example,vsme\n\nB,b@neu.example,2,,\n'


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(delimiter, bom, end):
    quoted = CSV.replace("Neu, Alt", "Neu# Alt").replace(",", delimiter).replace("#", ",").replace("\n", end)
    rows = read_csv(bom + quoted.encode(), "a.csv")
    assert rows == {
        2: {"organization_name": "Neu, Alt; GmbH", "user_email": "a@neu.example", "report_template": "vsme"},
        4: {"organization_name": "B", "user_email": "b@neu.example", "report_template": "2"},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; allowed: a first row with the names of the columns"),
        ("organization_name\nMüller".encode("latin-1"), "byte 19 is not UTF-8"),
        (b"user_email,User_Email\na,b\n", "has the column 'user_email' twice"),
        (b"organization_name,user_email\nMueller, Sohn,a@neu.example\n", "row 2 has more cells than the header"),
    ],
)
def test_invalid_csv_file_is_an_error(content, message):
    with pytest.raises(OpenESGConfigError, match=re.escape(message)):
        read_csv(content, "a.csv")


def test_csv_cell_above_the_limit_of_the_csv_module_is_an_error():
    with pytest.raises(OpenESGConfigError, match=r"requests: x.csv: not a CSV file: field larger than field limit"):
        read_csv(b"organization_name\n" + b"x" * 200_000, "x.csv")


def test_column_in_two_spellings_is_an_error():
    row = {"user_email": "a@example.com", "User_Email": "b@example.com", "organization_name": "A"}
    (errors,) = check_rows([(1, row)], {"vsme": [1]}, "vsme").errors.values()
    assert "one column of this name" in str(errors[0])


def test_key_of_several_templates_is_an_error():
    (errors,) = check(ROW | {"report_template": "pilot"}).errors.values()
    assert "report_template: 'pilot' given; allowed: one of the ids 2, 3, because several" in str(errors[0])
    assert check(ROW | {"report_template": "3"}).valid[0].body["report_template"] == 3
