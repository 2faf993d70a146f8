"""Filling a report through the hook, against the sandbox: only differences are sent, and only once."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.hooks.openesg import OpenESGHook

PATCH, ATTACH, SUBMIT = (
    "PATCH /api/v1/reports/{id}",
    "POST /api/v1/reports/{id}/field-values/{id}/attachment",
    "POST /api/v1/reports/{id}/submit",
)
B1, SITES = "esg.vsme.b1", "esg.vsme.b1_sites"
VALUES = {
    f"{B1}.turnover": Decimal("1250000.00"),
    f"{B1}.employees_headcount": 17,
    f"{B1}.consolidated": False,
    f"{B1}.reporting_period": (date(2025, 1, 1), date(2025, 12, 31)),
    f"{B1}.nace_code": ("03.11", "Marine fishing"),
    f"{B1}.country_of_operations": "DE",
    "esg.vsme.c2.maturity": "beginner",  # a data type that is not known here
}
TEXTS = {
    f"{B1}.turnover": "1250000.00",
    f"{B1}.employees_headcount": "17",
    f"{B1}.consolidated": "false",
    f"{B1}.reporting_period": "2025-01-01 - 2025-12-31",
    f"{B1}.nace_code": "03.11 | Marine fishing",
    f"{B1}.country_of_operations": "DE",
    "esg.vsme.c2.maturity": "beginner",
}
BASICS = {
    "esg.supplier.company.nace_code": "03.11",
    "esg.supplier.company.employees": 12,
    "esg.supplier.climate.energy_total": 7.5,
    "esg.supplier.conduct.code_of_conduct": True,
}


def update(report_id, field_values, **arguments):
    with OpenESGHook() as hook:
        return hook.update_report(report_id, field_values, **arguments)


def test_typed_values_are_written_in_the_platforms_format(report_id, stored, sent):
    done = update(report_id, VALUES)
    assert done.written == list(VALUES)
    assert (done.unchanged, done.submitted, done.status) == (0, False, "requested")
    assert stored(report_id) == TEXTS
    assert sent() == {PATCH: 1}


def test_second_run_sends_nothing(report_id, sent):
    update(report_id, VALUES)
    same_values = VALUES | {f"{B1}.turnover": "1.250.000,00", f"{B1}.consolidated": "Nein", f"{B1}.nace_code": "03.11"}
    for same in (VALUES, TEXTS, same_values):
        done = update(report_id, same)
        assert (done.written, done.unchanged) == ([], len(VALUES))
    assert sent() == {PATCH: 1}


def test_only_differences_are_sent(platform, report_id, stored, sent, monkeypatch):
    update(report_id, VALUES)
    bodies = []
    with OpenESGHook() as hook:
        send = hook.client.request
        monkeypatch.setattr(hook.client, "request", lambda *a, **k: (bodies.append(k.get("json")), send(*a, **k))[1])
        done = hook.update_report(report_id, VALUES | {f"{B1}.employees_headcount": 18, f"{B1}.turnover": None})
    assert sorted(done.written) == [f"{B1}.employees_headcount", f"{B1}.turnover"]
    (patch,) = (body for body in bodies if body)
    assert [sorted(change) for change in patch["field_values"]] == [["id", "value"]] * 2
    assert stored(report_id) == TEXTS | {f"{B1}.employees_headcount": "18", f"{B1}.turnover": None}
    assert update(report_id, {f"{B1}.turnover": None}).written == []


@pytest.mark.parametrize("references", ["ids", "nested"])
def test_references_in_other_shapes(platform, report_id, sent, references):
    platform.options(references=references)
    update(report_id, VALUES)
    assert update(report_id, VALUES).written == []
    assert sent() == {PATCH: 1}


def test_unit_measurement_and_comment(report_id, stored, sent):
    energy = "esg.vsme.b3.energy_total"
    given = {energy: {"value": 12.5, "unit": "MWh", "measurement": "measurement", "comment": "read off the meter "}}
    update(report_id, given)
    assert stored(report_id) == {energy: "12.5"}
    assert stored(report_id, "measurement") == {energy: 2}
    assert stored(report_id, "comment") == {energy: "read off the meter"}
    assert update(report_id, given).written == []
    # Only one part; the others are kept.
    update(report_id, [{"field_key": energy, "measurement": "Estimation"}])
    assert (stored(report_id), stored(report_id, "measurement")) == ({energy: "12.5"}, {energy: 1})
    assert sent() == {PATCH: 2}


def test_instances(report_id, stored, sent):
    sites = [
        {"field_key": f"{SITES}.{name}", "instance_id": number, "value": f"{name} {number}"}
        for number in (1, 2)
        for name in ("name", "country")
    ]
    update(report_id, sites)
    expected = {(f"{SITES}.{name}", number): f"{name} {number}" for number in (1, 2) for name in ("name", "country")}
    assert stored(report_id) == expected
    # Rows of a CSV file have their numbers as text.
    done = update(report_id, [*sites[:3], sites[3] | {"instance_id": "2", "value": "AT"}])
    assert done.written == [f"{SITES}.country (instance 2)"]
    assert stored(report_id) == expected | {(f"{SITES}.country", 2): "AT"}
    assert sent() == {PATCH: 2}


FAULTS = [
    (
        {"field_key": "turnover", "value": 1},
        "turnover: field_key: 'turnover' given; allowed: a field key of the report's template. Did you mean 'esg.",
    ),
    ({"field_key": f"{B1}.turnovr", "value": 1}, "Did you mean 'esg.vsme.b1.turnover'"),
    (
        {"value": 1},
        "row 4: field_key: nothing given; allowed: the field keys of the report's template: esg.vsme.b1.bal",
    ),
    (
        {"field_key": f"{B1}.turnover", "value": "1,234"},
        f"{B1}.turnover: value: '1,234' given; allowed: a number, such as Decimal('1.5') or '1.5' (decimal)",
    ),
    (
        {"field_key": f"{B1}.turnover", "value": -1},
        f"{B1}.turnover: value: -1 given; allowed: numbers from 0 (decimal)",
    ),
    ({"field_key": "esg.vsme.b10.gender_pay_gap", "value": 101}, "allowed: numbers from -100 to 100 (decimal)"),
    ({"field_key": f"{B1}.employees_headcount", "value": 1.5}, "allowed: a whole number (integer)"),
    ({"field_key": f"{B1}.consolidated", "value": "perhaps"}, "allowed: True or False (boolean)"),
    ({"field_key": f"{B1}.reporting_period", "value": 2025}, "allowed: two dates, such as "),
    ({"field_key": f"{B1}.turnover", "value": 1, "unit": "kEUR"}, "unit: 'kEUR' given; allowed: EUR, €"),
    (
        {"field_key": f"{B1}.consolidated", "value": True, "unit": "t"},
        "allowed: none: the template does not list exactly one unit",
    ),
    (
        {"field_key": f"{B1}.employees_fte", "value": 1, "measurement": "guess"},
        "measurement: 'guess' given; allowed: 1, 2, Estimation, Measurement, estimation, measurement",
    ),
    ({"field_key": f"{B1}.turnover", "measurement": "estimation"}, "allowed: none: the field has no measurements"),
    ({"field_key": f"{B1}.turnover", "comment": "x"}, "allowed: none: the field does not allow comments"),
    ({"field_key": f"{B1}.employees_fte", "attachment": "a.pdf"}, "allowed: none: the field does not allow files"),
    ({"field_key": f"{B1}.turnover", "value": 1, "instance_id": 1}, "allowed: none: its section does not repeat"),
    (
        {"field_key": f"{SITES}.name", "value": "Werk"},
        f"{SITES}.name: instance_id: nothing given; allowed: the id of an instance",
    ),
    (
        {"field_key": f"{SITES}.name", "instance_id": 2, "value": ["Werk"]},
        f"{SITES}.name (instance 2): value: ['Werk'] given; allowed: text",
    ),
    ({"field_key": f"{B1}.turnover", "values": 1}, "values: 1 given; allowed: the names value, unit, "),
    (
        {"field_key": f"{B1}.country_of_operations", "value": "AT"},
        f"{B1}.country_of_operations: given twice; allowed: once",
    ),
]


def test_all_errors_are_listed_and_nothing_is_sent(report_id, sent):
    good = [{"field_key": f"{B1}.country_of_operations", "value": "DE"}]
    with pytest.raises(OpenESGConfigError) as caught:
        update(report_id, good + [row for row, _ in FAULTS])
    head, *lines = str(caught.value).splitlines()
    assert head == f"field_values: nothing was sent. Faults: {len(FAULTS)}"
    for line, (row, message) in zip(lines, FAULTS, strict=True):
        assert message in line, row
    assert sent() == {}


@pytest.mark.parametrize("wrong", ["text", 5, None, [1], ["text"]])
def test_invalid_field_values_are_an_error(report_id, wrong):
    with pytest.raises(OpenESGConfigError, match="field_values"):
        update(report_id, wrong)


def test_error_of_the_platform_names_the_field_key(report_id, sent):
    long = {f"{B1}.country_of_operations": "DE", f"{B1}.legal_form": "x" * 300}
    with pytest.raises(OpenESGApiError, match=rf"HTTP 422: {B1}.legal_form.value: ") as caught:
        update(report_id, long)
    assert caught.value.status == 422
    assert sent() == {PATCH: 1}


def test_closed_report_is_an_error(platform, sent):
    with OpenESGHook() as hook:
        filters = {"status": "declined", "template": "vsme"}
        declined = next(hook.iter_records("reports", filters=filters))["id"]
    with pytest.raises(OpenESGApiError, match=r"HTTP 409: The report is declined\."):
        update(declined, VALUES)


def test_no_values_send_nothing(report_id, sent):
    for nothing in ({}, []):
        assert update(report_id, nothing).unchanged == 0
    assert sent() == {}


class TestAttachments:
    KEY = f"{B1}.turnover"

    def entry(self, path, **more):
        return {self.KEY: {"attachment": str(path), **more}}

    def test_file_by_path(self, report_id, tmp_path, stored, sent):
        path = tmp_path / "turnover.pdf"
        path.write_bytes(b"%PDF-1.7 one")
        done = update(report_id, self.entry(path, value=5))
        assert (done.attached, done.written) == ([self.KEY], [self.KEY])
        attachment = stored(report_id, "attachment")[self.KEY]
        assert (attachment["name"], attachment["size"]) == ("turnover.pdf", 12)
        for same in (str(path), path.as_uri(), path):
            assert update(report_id, self.entry(same)).attached == []
        assert sent() == {PATCH: 1, ATTACH: 1}
        path.write_bytes(b"%PDF-1.7 two")  # as long as the first
        assert update(report_id, self.entry(path)).attached == [self.KEY]
        with OpenESGHook() as hook:
            assert hook.get_conn().get(hook.settings.base_url + attachment["url"]).content == b"%PDF-1.7 two"
        assert sent() == {PATCH: 1, ATTACH: 2}

    def test_file_of_another_size_is_sent_without_a_download(self, platform, report_id, tmp_path, stored):
        path = tmp_path / "turnover.pdf"
        for content in (b"%PDF-1.7 one", b"%PDF-1.7 one, and more"):
            path.write_bytes(content)
            assert update(report_id, self.entry(path)).attached == [self.KEY]
            assert stored(report_id, "attachment")[self.KEY]["size"] == len(content)
        assert not [name for name in platform.state()["calls"] if "/media/" in name]
        assert update(report_id, self.entry(path)).attached == []
        assert [name for name in platform.state()["calls"] if "/media/" in name]

    def test_file_without_a_value(self, report_id, tmp_path, stored, sent):
        (tmp_path / "a.pdf").write_bytes(b"x")
        update(report_id, self.entry(tmp_path / "a.pdf"))
        assert (stored(report_id), stored(report_id, "attachment")[self.KEY]["size"]) == ({self.KEY: None}, 1)

    def test_file_that_cannot_be_downloaded_is_sent_again(self, platform, report_id, tmp_path, sent):
        (tmp_path / "a.pdf").write_bytes(b"x")
        platform.fault("answer", path="/media/", status=403)
        for _ in range(2):
            update(report_id, self.entry(tmp_path / "a.pdf"))
        assert sent()[ATTACH] == 2

    def test_lost_response(self, platform, report_id, tmp_path, sent):
        (tmp_path / "a.pdf").write_bytes(b"x")
        platform.fault("reset", path="attachment$", carried_out=True, times=1)
        assert update(report_id, self.entry(tmp_path / "a.pdf")).attached == [self.KEY]
        assert sent()[ATTACH] == 1

    @pytest.mark.parametrize("content", [None, b""])
    def test_missing_or_empty_file_is_an_error(self, report_id, tmp_path, sent, content):
        path = tmp_path / "a.pdf"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(OpenESGConfigError, match=rf"{self.KEY}: attachment: .*a.pdf .*nothing was sent"):
            update(report_id, self.entry(path, value=5))
        assert sent() == {}


class TestSubmit:
    def test_filled_and_submitted_once(self, basics_id, stored, sent):
        done = update(basics_id, BASICS, submit=True)
        assert (done.submitted, done.status, len(done.written)) == (True, "submitted", 4)
        assert stored(basics_id).keys() == BASICS.keys()
        again = update(basics_id, BASICS, submit=True)
        assert (again.submitted, again.status, again.unchanged) == (False, "submitted", 4)
        assert sent() == {PATCH: 1, SUBMIT: 1}

    def test_submit_error_names_missing_values(self, basics_id, sent):
        some = dict(list(BASICS.items())[:2])
        with pytest.raises(OpenESGApiError, match="energy_total: a value is required") as caught:
            update(basics_id, some, submit=True)
        assert caught.value.status == 422
        assert update(basics_id, BASICS, submit=True).unchanged == 2

    @pytest.mark.parametrize("carried_out", [True, False])
    def test_lost_response(self, platform, basics_id, sent, carried_out):
        platform.fault("reset", path="submit$", carried_out=carried_out, times=1)
        assert update(basics_id, BASICS, submit=True).status == "submitted"
        assert sent()[SUBMIT] == 1 + (not carried_out)


LOST = {
    "timeout": {"kind": "delay", "seconds": 1.5},
    "reset after sending": {"kind": "reset", "carried_out": True},
    "reset before": {"kind": "reset"},
    "502": {"kind": "answer", "status": 502, "body": "<html>Bad Gateway"},
    "cut short": {"kind": "truncate"},
}


@pytest.mark.parametrize("name", LOST)
def test_report_is_read_after_a_lost_response_before_sending_again(platform, report_id, stored, sent, name):
    site = {"field_key": f"{SITES}.name", "instance_id": 7, "value": "Werk"}
    platform.fault(path=r"reports/\d+$", method="PATCH", times=1, **LOST[name])
    update(report_id, [site])
    assert stored(report_id) == {(f"{SITES}.name", 7): "Werk"}
    assert sent() == {PATCH: 2 if name in ("reset before", "502") else 1}


def test_unavailable_platform_is_an_error(platform, report_id, sent):
    platform.fault("answer", path=r"reports/\d+$", method="PATCH", status=503)
    with pytest.raises(OpenESGApiError) as caught:
        update(report_id, VALUES)
    assert caught.value.status == 503
    assert sent() == {PATCH: 3}


def test_429_is_retried(platform, report_id, stored):
    platform.fault("answer", path="reports", method="PATCH", status=429, times=2, headers={"Retry-After": "0"})
    update(report_id, VALUES)
    assert stored(report_id) == TEXTS


def test_values_that_the_platform_does_not_store_are_an_error(platform, report_id):
    with OpenESGHook() as hook:
        record = hook.get_record("reports", report_id)
    platform.fault("answer", path=r"reports/\d+$", method="PATCH", status=200, body=json.dumps(record))
    with pytest.raises(OpenESGContractError, match=f"returns other values for {B1}.turnover"):
        update(report_id, {f"{B1}.turnover": 1})


def test_no_values_in_the_log(platform, report_id, caplog):
    caplog.set_level("INFO")
    platform.fault("answer", path=r"reports/\d+$", method="PATCH", status=502, times=1)
    update(report_id, {f"{B1}.turnover": 987654321, f"{B1}.country_of_operations": "Liechtenstein"})
    assert "2 of 2 fields differ" in caplog.text
    assert "The response is lost" in caplog.text
    assert "987654321" not in caplog.text
    assert "Liechtenstein" not in caplog.text


FIELD_TYPES = [{"id": 1, "key": "x", "name": "X"}, {"id": 2, "key": "x", "name": "X"}]
REPORT = {"id": 7, "status": "requested", "template": 1, "field_values": []}


@pytest.mark.parametrize(
    ("report", "sections", "message"),
    [
        ({"field_values": None}, [], "neither its row in the list nor its own record has 'field_values'"),
        ({"template": None}, [], "has no template"),
        ({}, [{"key": "no id"}], "section: no 'id'"),
        ({}, [{"id": 1, "field_types": FIELD_TYPES}], "several field types"),
    ],
)
def test_report_that_cannot_be_compared_is_an_error(platform, report, sections, message):
    platform.fault("answer", path=r"/reports/7$", status=200, body=json.dumps(REPORT | report))
    platform.fault("answer", path=r"/sections$", status=200, body=json.dumps(sections))
    with pytest.raises(OpenESGContractError, match=message):
        update(7, {"x": 1})
