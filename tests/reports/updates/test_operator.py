"""The operator: its parameters, its result and its errors."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.operators import update_report
from airflow_provider_openesg.operators.openesg import OpenESGUpdateReportOperator

KEY = "esg.vsme.b1.turnover"


def fill(report_id, field_values, **arguments):
    operator = OpenESGUpdateReportOperator(task_id="fill", report_id=report_id, field_values=field_values, **arguments)
    return operator.execute({})


def test_result(report_id):
    result = fill(str(report_id), {KEY: Decimal("1.00"), "esg.vsme.b1.employees_headcount": 2})
    assert json.loads(json.dumps(result)) == {
        "report_id": str(report_id),
        "written": [KEY, "esg.vsme.b1.employees_headcount"],
        "attached": [],
        "unchanged": 0,
        "submitted": False,
        "status": "requested",
    }
    assert fill(report_id, [{"field_key": KEY, "value": "1"}])["unchanged"] == 1


def test_attachments_and_submit_are_passed_to_the_hook(basics_id, tmp_path):
    (tmp_path / "code.pdf").write_bytes(b"%PDF")
    key = "esg.supplier.conduct.code_of_conduct"
    values = {
        "esg.supplier.company.nace_code": "03.11",
        "esg.supplier.company.employees": 12,
        "esg.supplier.climate.energy_total": 7.5,
        key: {"value": True, "attachment": str(tmp_path / "code.pdf")},
    }
    result = fill(basics_id, values, submit=True)
    assert (result["attached"], result["submitted"], result["status"]) == ([key], True, "submitted")


def test_lists_in_the_xcom_are_limited(report_id, monkeypatch):
    monkeypatch.setattr(update_report, "MAX_LISTED", 1)
    assert fill(report_id, {KEY: 1, "esg.vsme.b1.employees_headcount": 2})["written"] == [KEY]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"field_values": "{'a': 1}"}, r"field_values: .* Pass the output of the other task itself"),
        ({"field_values": 5}, "field_values: 5 given; allowed: a dict of values by field key"),
        ({"submit": "yes"}, "submit: 'yes' given; allowed: True or False"),
    ],
)
def test_parameters_are_checked_in_the_dag_file(arguments, message):
    with pytest.raises(OpenESGConfigError, match=message):
        OpenESGUpdateReportOperator(**{"task_id": "fill", "report_id": 1, "field_values": {}} | arguments)


@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_jinja_template_that_renders_no_report(nothing):
    with pytest.raises(OpenESGConfigError, match=r"report_id: .* Check whether a Jinja template rendered nothing"):
        fill(nothing, {})


def test_field_values_rendered_to_text_are_an_error():
    operator = OpenESGUpdateReportOperator(task_id="fill", report_id=1, field_values="{{ x }}")
    operator.field_values = "{'a': 1}"
    with pytest.raises(OpenESGConfigError, match=r"field_values=other_task\.output"):
        operator.execute({})
