"""``shape="wide"`` with files and databases."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from databases import WAYS

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")


def to_files(path, run_id="r", **arguments):
    given = {"task_id": "wide", "path": str(path), "shape": "wide", "templates": ["vsme"]} | arguments
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToObjectStorageOperator(**given).execute({"ti": task})


def test_files(tmp_path, task_log):
    result = to_files(tmp_path)
    manifest = read_manifest(tmp_path)
    rows = {table: pq.read_table(manifest.files(table)).to_pylist() for table in manifest.tables}
    assert result["tables"] == {table: len(of_table) for table, of_table in rows.items()}
    assert result["tables"]["vsme_reports"] == 172
    assert len(result["tables"]) == 9
    others = [json.loads(row["other_values"] or "{}") for of_table in rows.values() for row in of_table]
    assert result["malformed_values"] == sum(len(texts) for each in others for texts in each.values()) > 0
    assert {row["report_id"] for row in rows["vsme_b1_sites"]} <= {row["id"] for row in rows["vsme_reports"]}
    [turnover] = [each for each in manifest.tables["vsme_reports"].columns if each.name == "esg_vsme_b1_turnover"]
    assert (turnover.type, turnover.unit) == ("decimal128(38, 12)", "EUR")
    assert turnover.description == "Turnover (esg.vsme.b1.turnover)"
    assert len(json.dumps(result)) < 2000
    assert "Wrote vsme_reports 172, " in task_log()


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_other_formats(tmp_path, file_format):
    to_files(tmp_path, file_format=file_format)
    [file] = read_manifest(tmp_path).files("vsme_b1_sites")
    assert "esg_vsme_b1_sites_city" in Path(file).read_text().splitlines()[0]


def test_retry_replaces_the_first_try(tmp_path):
    to_files(tmp_path)
    to_files(tmp_path)
    assert len(read_manifests(tmp_path)) == 1
    assert len(list(tmp_path.glob("vsme_reports/*.parquet"))) == 1


def test_last_run_reads_only_changes(tmp_path, sandbox):
    assert to_files(tmp_path, "1", updated_after="last_run")["tables"]["vsme_reports"] == 172
    sandbox.turn_clock(86_400)
    assert 0 < to_files(tmp_path, "2", updated_after="last_run")["tables"]["vsme_reports"] < 40
    tidy = {"shape": "tidy", "tables": ["reports"]}
    assert to_files(tmp_path, "3", updated_after="last_run", **tidy)["tables"]["reports"] == 172


def test_selection_without_reports(tmp_path):
    result = to_files(tmp_path, filters={"customer_identifier": "nobody"})
    assert {*result["tables"].values()} == {0}
    assert pq.read_table(read_manifest(tmp_path).files("vsme_reports")).num_columns > 100


def to_database(database, run_id="r", **arguments):
    given = {"task_id": "wide", "sql_conn_id": "warehouse", "schema": database.schema, "shape": "wide"} | arguments
    task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
    return OpenESGToSqlOperator(**{"templates": ["vsme"]} | given).execute({"ti": task})


@pytest.mark.parametrize("warehouse", [*WAYS, "duckdb-warehouse"], indirect=True)
def test_databases(warehouse, sandbox):
    result = to_database(warehouse, updated_after="last_run")
    rows = warehouse.tables()
    del rows["openesg_runs"]
    assert {table: len(of_table) for table, of_table in rows.items()} == result["tables"]
    total = "SELECT sum(esg_vsme_b1_employees_headcount), count(esg_vsme_b1_consolidated) FROM vsme_reports"
    employees, answered = warehouse.query(total)[0]
    assert employees > 1000
    assert 50 < answered < 172
    sandbox.turn_clock(5 * 86_400)
    changed = to_database(warehouse, "2", updated_after="last_run")["tables"]["vsme_reports"]
    assert 0 < changed < 172
    merged = warehouse.tables()
    to_database(warehouse, "3")
    del merged["openesg_runs"]
    assert {table: rows for table, rows in warehouse.tables().items() if table != "openesg_runs"} == merged
    to_database(warehouse, "4", write_mode="replace", templates=["supplier-basics"])
    assert warehouse.query("SELECT count(esg_supplier_company_employees) > 5 FROM supplier_basics_reports")[0][0]


def test_new_field_is_a_new_column_and_another_data_type_an_error(warehouse, sandbox):
    to_database(warehouse)
    complete = warehouse.tables()
    for column in ("esg_vsme_b1_turnover", "other_values"):
        warehouse.query(f"ALTER TABLE vsme_reports DROP COLUMN {column}")
    to_database(warehouse)
    assert warehouse.query("SELECT count(esg_vsme_b1_turnover) > 50 FROM vsme_reports") == [(True,)]
    assert {table: len(rows) for table, rows in warehouse.tables().items()} == {
        table: len(rows) for table, rows in complete.items()
    }
    warehouse.query("ALTER TABLE vsme_b1_sites ALTER esg_vsme_b1_sites_city TYPE BIGINT USING 1")
    calls = sandbox.state()["calls"]["GET /api/v1/reports"]
    with pytest.raises(OpenESGConfigError, match="column esg_vsme_b1_sites_city is BIGINT, but must be VARCHAR"):
        to_database(warehouse)
    assert sandbox.state()["calls"]["GET /api/v1/reports"] == calls


def test_units_and_keys_are_comments(warehouse):
    to_database(warehouse)
    assert warehouse.query("SELECT comment FROM duckdb_columns() WHERE column_name = 'esg_vsme_b1_turnover'") == [
        ("Turnover (esg.vsme.b1.turnover) [EUR]",)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": "long"}, "shape: 'long' given; allowed: tidy, wide"),
        ({"tables": ["reports"]}, "tables: given with shape='wide', which makes the tables from the template"),
        ({"templates": None}, "templates: None given; with shape='wide', name exactly one"),
        ({"templates": ["vsme", "supplier-basics"]}, r"templates: \['vsme', 'supplier-basics'\] given"),
    ],
)
def test_parameters_are_checked_in_the_dag_file(arguments, message):
    given = {"task_id": "wide", "path": "x", "shape": "wide", "templates": ["vsme"]} | arguments
    with pytest.raises(OpenESGConfigError, match=message):
        OpenESGToObjectStorageOperator(**given)


def test_two_rendered_templates_are_an_error(tmp_path, sandbox):
    operator = OpenESGToObjectStorageOperator(task_id="t", path=str(tmp_path), shape="wide", templates="{{ params.t }}")
    operator.templates = ["vsme", "supplier-basics"]
    with pytest.raises(OpenESGConfigError, match="name exactly one"):
        operator.execute({})
    assert sandbox.state()["requests"] == 0


def test_iter_tables_of_the_hook():
    with OpenESGHook() as hook:
        rows = Counter()
        for table, batch in hook.iter_tables(templates=["supplier-basics"], shape="wide"):
            rows[table] += len(batch)
        assert rows == {"supplier_basics_reports": 28}
        with pytest.raises(OpenESGConfigError, match=r"tables: .* with shape='wide'"):
            hook.iter_tables(["reports"], templates=["vsme"], shape="wide")
        with pytest.raises(OpenESGConfigError, match="shape: 'long' given; allowed: tidy, wide"):
            hook.iter_tables(shape="long")


def test_append_stores_each_run_separately(warehouse):
    for run_id in ("1", "2", "2"):
        result = to_database(warehouse, run_id, write_mode="append")
    of_runs = warehouse.query("SELECT run_id, count(*) FROM vsme_b1_sites GROUP BY ALL ORDER BY ALL")
    assert [number for _, number in of_runs] == [result["tables"]["vsme_b1_sites"]] * 2


def test_unknown_template_is_an_error(tmp_path):
    with pytest.raises(
        OpenESGConfigError, match=r"templates: 'vsm' given.*vsme, supplier-basics, 1, 2. Did you mean 'vsme'"
    ):
        to_files(tmp_path / "lake", templates=["vsm"])
    assert not (tmp_path / "lake").exists()
