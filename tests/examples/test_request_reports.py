"""The examples that request reports and that fill them, each run twice, against the sandbox and PostgreSQL."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook

pytestmark = pytest.mark.airflow

DAY = 86400
SUPPLIERS = 25


def test_request_reports(sandbox, run_example, tmp_path):
    suppliers = tmp_path / "suppliers.csv"
    lines = [f"Lieferant {number} GmbH;esg@l{number}.example;{number}" for number in range(12)]
    suppliers.write_text("\ufefforganization_name;user_email;customer_identifier\n" + "\n".join(lines))
    run_example("openesg_request_reports.py", {"AIRFLOW_VAR_OPENESG_SUPPLIERS": str(suppliers)})
    emails = Counter(email["to"] for email in sandbox.state()["emails"])
    assert emails == {f"esg@l{number}.example": 1 for number in range(12)}
    assert sandbox.state()["calls"]["POST /api/v1/report-requests"] == 12


def test_yearly_campaign(sandbox, start_example, database, openesg_connection):
    database.query(
        "CREATE TABLE suppliers (number text PRIMARY KEY, name text, vat_id text, contact_email text,"
        " contact_language text)"
    )
    database.query(
        "INSERT INTO suppliers SELECT 'S-' || n, 'Lieferant ' || n || ' GmbH', NULL,"
        " 'esg@lieferant-' || n || '.example',"
        f" CASE WHEN n % 2 = 0 THEN 'de' ELSE 'en' END FROM generate_series(1, {SUPPLIERS}) n"
    )
    process = start_example("openesg_yearly_campaign.py", database.variables)
    # The sandbox's clock is stopped while the sensor waits: no report is submitted until it is advanced.
    while len(sandbox.state()["emails"]) < SUPPLIERS or sandbox.state()["calls"].get("GET /api/v1/reports", 0) < 2:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    assert not database.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'esg'")
    turned = 0
    while process.poll() is None and turned < 60:
        sandbox.turn_clock(3 * DAY)
        turned += 3
        time.sleep(1.5)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert Counter(email["to"] for email in sandbox.state()["emails"]) == {
        f"esg@lieferant-{number}.example": 1 for number in range(1, SUPPLIERS + 1)
    }
    loaded = dict(
        database.query("SELECT customer_identifier, status FROM esg.reports WHERE customer_identifier LIKE 'S-%'")
    )
    assert len(loaded) == SUPPLIERS
    submitted = [name for name, status in loaded.items() if status == "submitted"]
    assert SUPPLIERS * 0.8 <= len(submitted) < SUPPLIERS
    values = "SELECT count(*) FROM esg.field_values v JOIN esg.reports r ON r.id = v.report_id"
    assert database.query(f"{values} WHERE r.customer_identifier = '{submitted[0]}'")[0][0] > 50
    # The reports that were missing when the wait ended; one may have been submitted before the load.
    missing, _ = re.findall(r"(\d+) reports are missing: ([S\-\d, ]*)", output)
    names = set(filter(None, missing[1].strip().split(", ")))
    assert len(names) == int(missing[0]) <= SUPPLIERS * 0.2
    assert names >= loaded.keys() - submitted
    # The second run requested nothing again.
    assert f"{SUPPLIERS} valid rows: {SUPPLIERS} already requested, 0 to send" in output


def test_fill_report(sandbox, run_example, database, openesg_connection):
    with OpenESGHook() as hook:
        filters = {"status": "requested", "template": "supplier-basics"}
        report_id = next(hook.iter_records("reports", filters=filters))["id"]
    database.query(
        "CREATE TABLE esg_values (field_key text, instance_id integer, value numeric, unit text, measurement text)"
    )
    database.query(
        "INSERT INTO esg_values VALUES ('esg.supplier.climate.energy_total', NULL, 812.4, 'MWh', 'measurement'),"
        " ('esg.supplier.company.employees', NULL, 17, NULL, NULL),"
        " ('esg.supplier.company.turnover', NULL, NULL, NULL, NULL)"
    )
    run_example("openesg_fill_report.py", database.variables, report_id=report_id)
    with OpenESGHook() as hook:
        report = hook.get_record("reports", report_id)
    assert report["status"] == "submitted"
    assert {value["value"] for value in report["field_values"]} == {
        "812.4",
        "17",
        "03.11 | Marine fishing",
        "true",
        "2024-07-01 - 2027-06-30",
    }
    calls = sandbox.state()["calls"]
    assert calls["PATCH /api/v1/reports/{id}"] == 2  # one of each task, in the first run
    assert calls["POST /api/v1/reports/{id}/submit"] == 1
