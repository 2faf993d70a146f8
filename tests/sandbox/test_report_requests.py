"""Validation of write requests: 422 with location and message, 409 for closed reports, no partial changes."""

from __future__ import annotations

from collections import Counter

import pytest

NEW = {"report_template": "vsme", "organization_name": "Neu GmbH", "user_email": "anna@neu.example"}
DAY = 86400


@pytest.fixture
def fields(api):
    """Field types of the template vsme by key without prefix."""
    sections = api.rows("report-templates/1/sections")
    return {each["key"].removeprefix("esg.vsme."): each for section in sections for each in section["field_types"]}


@pytest.fixture
def requested(api):
    """ID of a report that is not started."""
    return next(row["id"] for row in api.rows("reports?status=requested&report_template=vsme"))


@pytest.mark.parametrize(
    ("field", "change", "location"),
    [
        ("b1.turnover", {"value": "1.234,56"}, "value"),
        ("b1.turnover", {"value": "-1"}, "value"),
        ("b10.collective_bargaining", {"value": "100.1"}, "value"),
        ("b1.employees_headcount", {"value": "1.5"}, "value"),
        ("b1.consolidated", {"value": "True"}, "value"),
        ("b1.reporting_period", {"value": "2025-01-01"}, "value"),
        ("b1.reporting_period", {"value": "2025-02-30 - 2025-12-31"}, "value"),
        ("b1.reporting_period", {"value": "2025-12-31 - 2025-01-01"}, "value"),
        ("b1.nace_code", {"value": "Fischerei"}, "value"),
        ("b1.module_option", {"value": "two\nlines"}, "value"),
        ("b1.employees_fte", {"measurement": 3}, "measurement"),
        ("b1.turnover", {"measurement": 1}, "measurement"),
        ("b1.turnover", {"comment": "none taken"}, "comment"),
        ("b1.turnover", {"value": 12}, "value"),
        ("b1.turnover", {"unit": "EUR"}, "unit"),
        ("b1.turnover", {"instance_id": 1}, "instance_id"),
        ("b1_sites.name", {"value": "Werk"}, "instance_id"),
    ],
)
def test_an_invalid_value_rejects_all_changes(api, fields, requested, field, change, location):
    good = {"field_type": fields["b1.country_of_operations"]["id"], "value": "DE"}
    changes = [good, {"field_type": fields[field]["id"]} | change]
    response = api.patch(f"reports/{requested}", json={"field_values": changes})
    assert response.status_code == 422
    ((*_, name, number, part),) = (fault["loc"] for fault in response.json()["detail"])
    assert (name, number, part) == ("field_values", 1, location)
    assert api.get(f"reports/{requested}").json()["field_values"] == []


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("b1.turnover", "1.00", None),
        ("b10.gender_pay_gap", "-100", None),
        ("b1.consolidated", "false", None),
        ("b1.reporting_period", "2025-01-01 - 2025-12-31", None),
        ("b1.nace_code", "03.11 | Marine fishing", {"code": "03.11", "name": "Marine fishing"}),
        ("c2.maturity", "any text", None),
        ("b1.turnover", None, None),
    ],
)
def test_a_valid_value_is_stored(api, fields, requested, field, value, stored):
    change = {"field_type": fields[field]["id"], "value": value}
    (written,) = api.patch(f"reports/{requested}", json={"field_values": [change]}).json()["field_values"]
    assert (written["value"], written["value_complex"], written["valid"]) == (value, stored, True)


def test_attachments(sandbox, api, fields, requested):
    turnover, fte = ({"field_type": fields[key]["id"], "value": "1"} for key in ("b1.turnover", "b1.employees_fte"))
    values = api.patch(f"reports/{requested}", json={"field_values": [turnover, fte]}).json()["field_values"]
    first, second = (f"reports/{requested}/field-values/{value['id']}/attachment" for value in values)
    for content in (b"old", b"%PDF-1.7"):
        response = api.post(first, files={"file": ("turnover.pdf", content)})
    attachment = response.json()["attachment"]
    assert attachment == {
        "name": "turnover.pdf",
        "url": f"/media/{values[0]['id']}/turnover.pdf",
        "size": 8,
    }
    assert api.get(f"reports/{requested}").json()["field_values"][0]["attachment"] == attachment
    assert api.get("../.." + attachment["url"]).content == b"%PDF-1.7"
    assert api.post(second, files={"file": ("a.pdf", b"x")}).status_code == 422  # takes none
    assert api.post(first, files={"file": ("a.pdf", b"")}).status_code == 422
    assert api.post(first.replace(str(values[0]["id"]), "1"), files={"file": ("a.pdf", b"x")}).status_code == 404


def test_a_report_is_submitted_once_and_only_if_complete(sandbox, api, api_of):
    (report_id,) = {row["id"] for row in api.rows("reports?status=requested&report_template=2")[:1]}
    response = api.post(f"reports/{report_id}/submit")
    assert response.status_code == 422
    assert [fault["loc"][-1] for fault in response.json()["detail"]] == [
        "esg.supplier.company.nace_code",
        "esg.supplier.company.employees",
        "esg.supplier.climate.energy_total",
        "esg.supplier.conduct.code_of_conduct",
    ]
    texts = {2001: "03.11 | Marine fishing", 2002: "12", 2004: "7.5", 2007: "true"}
    changes = [{"field_type": number, "value": text} for number, text in texts.items()]
    api.patch(f"reports/{report_id}", json={"field_values": changes})
    submitted = api.post(f"reports/{report_id}/submit").json()
    assert (submitted["status"], submitted["progress"]) == ("submitted", 100)
    assert submitted["submitted_at"]
    # The report contains only the written values, also after the clock is advanced.
    assert [value["value"] for value in submitted["field_values"]] == list(texts.values())
    sandbox.turn_clock(60 * DAY)
    assert api_of(sandbox).get(f"reports/{report_id}").json() == submitted


def test_a_submitted_report_does_not_change(sandbox, api, api_of):
    (report_id, *_) = (row["id"] for row in api.rows("reports?status=submitted"))
    before = api.get(f"reports/{report_id}").json()
    assert api.post(f"reports/{report_id}/submit").status_code == 409
    sandbox.turn_clock(60 * DAY)
    assert api_of(sandbox).get(f"reports/{report_id}").json() == before


@pytest.mark.parametrize("call", ["attach", "submit"])
def test_a_declined_report_is_closed(api, call):
    (report_id, *_) = (row["id"] for row in api.rows("reports?status=declined"))
    path = f"reports/{report_id}/" + ("submit" if call == "submit" else f"field-values/{report_id}001/attachment")
    assert api.post(path, files={"file": ("a.pdf", b"x")}).status_code == 409


class TestRequests:
    def test_a_duplicate_is_rejected_with_unique_requests(self, sandbox, api):
        sandbox.options(unique_requests=True)
        named = NEW | {"customer_identifier": "K-1", "reason": "2026"}
        statuses = [
            api.post("report-requests", json=body).status_code
            for body in (named, named, named | {"report_template": 1}, named | {"reason": "2027"}, NEW, NEW)
        ]
        assert statuses == [201, 409, 409, 201, 201, 201]
        assert len(sandbox.state()["emails"]) == 4

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("organization_country", "XX"),
            ("user_timezone", "Berlin"),
            ("organization_email", "x"),
            ("submission_date", "1.5."),
        ],
    )
    def test_invalid_choices_and_formats(self, sandbox, api, field, value):
        response = api.post("report-requests", json=NEW | {field: value})
        assert response.status_code == 422
        assert field in response.json()["detail"][0]["loc"]
        assert sandbox.state()["emails"] == []

    def test_an_email_after_the_risk_check(self, sandbox, api):
        api.post("report-requests", json=NEW | {"provider_notification": "after_esg_risk_check"})
        assert sandbox.state()["emails"] == []
        sandbox.turn_clock(DAY)
        assert [email["to"] for email in sandbox.state()["emails"]] == ["anna@neu.example"]

    def test_a_reset_removes_their_values(self, sandbox, api, api_of):
        for _ in range(10):
            api.post("report-requests", json=NEW)
        sandbox.turn_clock(60 * DAY)
        assert len(api_of(sandbox).rows("reports")) == 210
        sandbox.reset()
        later = api_of(sandbox)
        for _ in range(10):
            inserted = sandbox.insert_report("end")
            assert later.get(f"reports/{inserted['id']}").json() == inserted

    def test_requested_reports_change_status_when_the_clock_is_advanced(self, sandbox, api, api_of):
        for number in range(40):
            api.post("report-requests", json=NEW | {"customer_identifier": f"N-{number}"})
        ids = {row["id"] for row in api.rows("reports") if (row["customer_identifier"] or "").startswith("N-")}
        sandbox.turn_clock(60 * DAY)
        reports = {row["id"]: row for row in api_of(sandbox).rows("reports") if row["id"] in ids}
        statuses = Counter(row["status"] for row in reports.values())
        assert statuses.total() == 40
        assert statuses["submitted"] > 25
        assert statuses.keys() == {"submitted", "declined", "requested"}
        assert all(row["field_values"] for row in reports.values() if row["status"] == "submitted")
