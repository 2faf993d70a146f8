"""Changes over time: clock, inserted and removed reports, report requests and written values."""

from __future__ import annotations

from collections import Counter

import pytest

NEW = {"report_template": "vsme", "organization_name": "Neu & Söhne GmbH", "user_email": "anna@neu.example"}


def test_reports_change_status_when_the_clock_is_advanced(sandbox, api_of):
    def reports() -> dict[int, dict]:
        return {row["id"]: row for row in api_of(sandbox).rows("reports")}

    before = reports()
    start = Counter(row["status"] for row in before.values())
    assert 0.6 < start["submitted"] / len(before) < 0.75
    assert all(start[status] for status in ("requested", "in_progress", "declined"))
    now = sandbox.turn_clock(4 * 86400)
    assert now == "2026-03-06T08:00:00Z"
    later = reports()
    moved = 0
    for report_id, row in later.items():
        if row["status"] != before[report_id]["status"]:
            moved += 1
            assert "2026-03-02T08:00:00Z" < row["updated_at"] <= now
        else:
            assert row == before[report_id]
    assert moved > 10
    sandbox.turn_clock(60 * 86400)
    end = reports()
    assert {row["status"] for row in end.values()} == {"submitted", "declined"}
    for row in end.values():
        assert row["created_at"] < row["updated_at"]
        assert (row["submitted_at"] == row["updated_at"]) == (row["status"] == "submitted")


def test_values_in_progress_do_not_change_later(sandbox, api_of):
    (report, *_) = api_of(sandbox).rows("reports?status=in_progress")
    early = {value["id"]: value["value"] for value in report["field_values"]}
    assert any(value is None for value in early.values())
    sandbox.turn_clock(60 * 86400)
    late = {
        value["id"]: value["value"] for value in api_of(sandbox).get(f"reports/{report['id']}").json()["field_values"]
    }
    assert late.keys() == early.keys()
    given = {value_id: value for value_id, value in early.items() if value is not None}
    assert given == {value_id: late[value_id] for value_id in given}
    assert sum(value is not None for value in late.values()) > len(given)


def test_reset_restores_the_initial_state(sandbox, api_of):
    before = api_of(sandbox).get("reports?limit=500").content
    sandbox.turn_clock(10**6)
    sandbox.insert_report("start")
    sandbox.options(envelope="bare", order="-id")
    sandbox.fault("answer", path="reports")
    sandbox.reset()
    assert sandbox.state()["requests"] == 0
    assert api_of(sandbox).get("reports?limit=500").content == before


@pytest.mark.parametrize(("position", "index"), [("start", 0), ("middle", 100), ("end", -1)])
def test_reports_are_inserted_and_removed(sandbox, api, position, index):
    before = [row["id"] for row in api.rows("reports")]
    report = sandbox.insert_report(position)
    after = [row["id"] for row in api.rows("reports")]
    assert after[index] == report["id"]
    assert len(after) == 201
    detail = api.get(f"reports/{report['id']}").json()
    assert detail == report
    assert detail["status"] == "submitted"
    sandbox.remove_report(report["id"])
    assert [row["id"] for row in api.rows("reports")] == before
    assert api.get(f"reports/{report['id']}").status_code == 404


def test_many_reports_can_be_inserted_at_any_position(sandbox, api):
    for position in ("start", "middle", "end"):
        for _ in range(30):
            sandbox.insert_report(position)
    ids = [row["id"] for row in api.rows("reports")]
    assert len(set(ids)) == 290
    assert ids == sorted(ids)


def test_removing_a_report_keeps_its_request(sandbox, api):
    report = next(row for row in api.rows("reports") if row["report_request"])
    sandbox.remove_report(report["id"])
    assert api.get(f"report-requests/{report['report_request']}").json()["report"] is None


def test_triggers_shift_rows_between_pages(sandbox, api):
    sandbox.trigger("insert", after=2, position="start")
    pages = [[row["id"] for row in api.get(f"reports?limit=10&offset={10 * n}").json()["items"]] for n in range(4)]
    # The third page repeats a row of the second page, because the insertion moved all rows by one.
    assert pages[2][0] == pages[1][-1]
    assert not set(pages[0]) & set(pages[1])
    assert not set(pages[2]) & set(pages[3])
    sandbox.trigger("remove", position="start")
    first, second = (
        [row["id"] for row in api.get(f"reports?limit=10&offset={10 * n}").json()["items"]] for n in (0, 1)
    )
    assert len({*first, *second}) == 20
    assert sandbox.state()["reports"] == 200


def test_control_requests_are_not_counted_and_others_are_logged(sandbox, api):
    sandbox.state()
    api.get("reports/1010?x=1")
    api.get("reports?limit=1")
    api.get("nonsense")
    state = sandbox.state()
    assert state["calls"] == {
        "POST /o/token/": 1,
        "GET /api/v1/reports/{id}": 1,
        "GET /api/v1/reports": 1,
        "GET /api/v1/nonsense": 1,
    }
    assert state["requests"] == 4
    log = state["log"]
    assert [(call["method"], call["path"], call["query"], call["status"], call["authorization"]) for call in log] == [
        ("POST", "/o/token/", "", 200, True),
        ("GET", "/api/v1/reports/1010", "x=1", 200, True),
        ("GET", "/api/v1/reports", "limit=1", 200, True),
        ("GET", "/api/v1/nonsense", "", 404, True),
    ]
    assert [call["at"] for call in log] == sorted(call["at"] for call in log)
    assert state["in_flight_max"] == 1


def test_a_new_report_request(sandbox, api):
    details = {
        "organization_vat_id": "DE999999999",
        "organization_legal_form": "GmbH",
        "user_first_name": "Anna",
        "customer_identifier": "K-1",
        "reason": "Test",
        "personal_message": "Hallo",
        "submission_date": "2026-05-01",
    }
    response = api.post("report-requests", json=NEW | details)
    assert response.status_code == 201
    created = response.json()
    assert created["registration_code"]
    request = created["report_request"]
    assert (request["status"], request["approved_at"], request["personal_message"]) == ("created", None, "Hallo")
    assert request["organization"]["vat_id"] == "DE999999999"
    assert api.get(f"report-requests/{request['id']}").json() == request
    (report,) = api.rows("reports?customer_identifier=K-1")
    assert (report["id"], report["status"], report["field_values"]) == (request["report"], "requested", [])
    assert report["report_request"] == request["id"]
    assert api.rows("report-requests")[-1] == request
    assert api.rows("organizations")[-1] == request["organization"]
    (email,) = sandbox.state()["emails"]
    assert (email["to"], email["report_request"]) == ("anna@neu.example", request["id"])


def test_a_second_request_sends_an_email_and_reuses_the_contact(sandbox, api):
    first, second = (api.post("report-requests", json=NEW).json() for _ in range(2))
    assert first["report_request"]["id"] != second["report_request"]["id"]
    assert first["report_request"]["organization"]["id"] == second["report_request"]["organization"]["id"]
    assert (bool(first["registration_code"]), second["registration_code"]) == (True, None)
    assert len(sandbox.state()["emails"]) == 2


def test_no_notification_and_the_body_of_2023(sandbox, api):
    body = {"report_template": 2, "company_name": "Alt GmbH", "user_email": "a@alt.example", "vat_id": "DE1"}
    response = api.post("report-requests", json=body | {"provider_notification": "no_notification"})
    assert response.json()["report_request"]["organization"]["name"] == "Alt GmbH"
    assert sandbox.state()["emails"] == []


def test_a_request_with_a_creation_date(api):
    request = api.post("report-requests", json=NEW | {"creation_date": "2026-01-15"}).json()["report_request"]
    assert request["created_at"] == "2026-01-15T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"report_template": "nope"}, "report_template"),
        ({"organization_name": ""}, "organization_name"),
        ({"user_email": "nobody"}, "user_email"),
        ({"organization_legal_form": "GmbHH"}, "organization_legal_form"),
        ({"user_locale": "xx"}, "user_locale"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_an_invalid_request_is_rejected_and_changes_nothing(sandbox, api, change, field):
    before = sandbox.state()
    response = api.post("report-requests", json=NEW | change)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == field
    after = sandbox.state()
    for name in ("organizations", "reports", "report_requests", "emails", "now"):
        assert after[name] == before[name]


def test_values_are_stored(sandbox, api):
    (report, *_) = api.rows("reports?status=submitted&report_template=vsme")
    target, other = report["field_values"][10], report["field_values"][11]
    changes = [
        {"id": target["id"], "value": "AT"},
        {"field_type": other["field_type"], "value": "43", "comment": "checked"},
    ]
    response = api.patch(f"reports/{report['id']}", json={"field_values": changes})
    assert response.status_code == 200
    written = api.get(f"reports/{report['id']}").json()
    assert written == response.json()
    assert written["updated_at"] > report["updated_at"]
    assert len(written["field_values"]) == len(report["field_values"])
    assert written["field_values"][10] == target | {"value": "AT", "valid": True}
    assert written["field_values"][11] == other | {"value": "43", "comment": "checked", "valid": True}


def test_values_written_to_a_requested_report_are_kept(sandbox, api, api_of):
    (report, *_) = api.rows("reports?status=requested&report_template=vsme")
    field = api.rows("report-templates/1/sections")[1]["field_types"][1]["id"]
    sites = next(each for each in api.rows("report-templates/1/sections") if each["key"] == "esg.vsme.b1_sites")
    new_site = {"field_type": sites["field_types"][0]["id"], "instance_id": 7, "value": "Neues Werk"}
    changes = {"field_values": [{"field_type": field, "value": "true"}, new_site]}
    written = api.patch(f"reports/{report['id']}", json=changes).json()["field_values"]
    assert [(value["field_type"], value["instance_id"], value["value"]) for value in written] == [
        (field, None, "true"),
        (sites["field_types"][0]["id"], 7, "Neues Werk"),
    ]
    sandbox.turn_clock(60 * 86400)
    later = api_of(sandbox).get(f"reports/{report['id']}").json()["field_values"]
    assert len({(value["field_type"], value["instance_id"]) for value in later}) == len(later) > 60
    assert {value["id"]: value["value"] for value in later}.items() >= {v["id"]: v["value"] for v in written}.items()


@pytest.mark.parametrize("change", [{"id": 1}, {"field_type": 1}, {"field_type": 1013, "value": "no instance"}])
def test_unknown_values_are_rejected(api, change):
    assert api.patch("reports/1010", json={"field_values": [change]}).status_code == 422


def test_a_declined_report_is_closed(api):
    (report, *_) = api.rows("reports?status=declined")
    assert api.patch(f"reports/{report['id']}", json={"field_values": []}).status_code == 409


def test_a_reset_removes_written_values(sandbox, api_of):
    for value in ("41.00", "42.00"):
        sandbox.reset()
        api = api_of(sandbox)
        (target, *_) = api.get("reports/1010").json()["field_values"]
        api.patch("reports/1010", json={"field_values": [{"id": target["id"], "value": value}]})
        assert api.get("reports/1010").json()["field_values"][0]["value"] == value
