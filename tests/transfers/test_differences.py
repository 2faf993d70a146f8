"""What a platform does differently, in the results of transfers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.transfers.openesg_to_sql import OpenESGToSqlOperator

pytestmark = pytest.mark.usefixtures("openesg_connection")
FORBIDDEN = {"tables": ["reports", "field_values"]}


@pytest.fixture
def load(warehouse, sandbox):
    def run(run_id="r", **arguments):
        task = SimpleNamespace(dag_id="nightly", run_id=run_id, map_index=-1)
        return OpenESGToSqlOperator(task_id="load", sql_conn_id="warehouse", **arguments).execute({"ti": task})

    return run


def test_the_assumed_platform_has_no_differences(load):
    result = load(strict=True)
    assert (result["differences"], result["forbidden"]) == ([], [])


def test_records_that_may_not_be_read_are_counted_and_named(load, sandbox, warehouse, task_log):
    load(**FORBIDDEN)
    (every,) = warehouse.query("SELECT count(*) FROM reports")
    sandbox.options(shape=["values-single", "some-forbidden"])
    result = load("2", **FORBIDDEN, write_mode="replace")
    assert warehouse.query("SELECT count(*) FROM reports") == [every]
    assert len(result["forbidden"]) > 10
    (text,) = result["differences"]
    assert text.startswith(f"{len(result['forbidden'])} records may not be read by this client (403)")
    assert result["forbidden"][0] in text


def test_records_that_may_not_be_read_are_an_error_if_wanted(load, sandbox, warehouse):
    load(**FORBIDDEN)
    before = warehouse.query("SELECT count(*) FROM field_values")
    sandbox.options(shape=["values-single", "some-forbidden"])
    with pytest.raises(OpenESGApiError, match=r"HTTP 403: .*set Scope \(scope\) in the Connection"):
        load("2", **FORBIDDEN, on_forbidden="fail")
    with pytest.raises(OpenESGContractError, match="Strict of the Connection is set"):
        load("3", **FORBIDDEN, strict=True)
    assert warehouse.query("SELECT count(*) FROM field_values") == before
    with pytest.raises(OpenESGConfigError, match="on_forbidden: 'skip' given; allowed: keep, fail"):
        load("4", on_forbidden="skip")


@pytest.mark.parametrize("write_mode", ["merge", "replace"])
def test_strict_connection_writes_nothing_if_the_platform_differs(load, sandbox, warehouse, connect, write_mode):
    connect(sandbox, strict=True)
    sandbox.options(shape=["status-german"])
    with pytest.raises(OpenESGContractError, match="is not known"):
        load(tables=["reports"], write_mode=write_mode)
    connect(sandbox)
    result = load(tables=["reports"], write_mode=write_mode)
    assert any("'eingereicht' is not known" in text for text in result["differences"])
    assert len(json.dumps(result)) < 5000


def test_load_that_would_remove_all_rows_is_an_error(load, sandbox, warehouse):
    load(tables=["reports"], write_mode="replace")
    (rows,) = warehouse.query("SELECT count(*) FROM reports")
    with pytest.raises(OpenESGContractError, match=r"it would remove all rows of .*reports.*Nothing was written"):
        load("2", tables=["reports"], write_mode="replace", filters={"customer_identifier": "nobody"})
    assert warehouse.query("SELECT count(*) FROM reports") == [rows]
