"""Snowflake and BigQuery, which tests cannot reach: their statements are parsed by a parser of their SQL.

Their common code is tested here and in ``test_databases.py`` with DuckDB and its ADBC driver.
"""

from __future__ import annotations

import re
from contextlib import closing
from decimal import Decimal
from typing import Self

import adbc_driver_manager.dbapi as adbc
import pyarrow as pa
import pytest
import sqlglot
from databases import database_under_test
from duckdb_warehouse import DuckDBWarehouse, DuckDBWarehouseSession
from sqlglot import exp

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql import snowflake
from airflow_provider_openesg.sql.bigquery import BigQueryDatabase, BigQuerySession
from airflow_provider_openesg.sql.identity import DatabaseIdentity
from airflow_provider_openesg.sql.snowflake import SnowflakeDatabase, SnowflakeSession
from airflow_provider_openesg.sql.stage import StagedTable
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.tables.layout import Table, tidy
from airflow_provider_openesg.transfers.databases import database_of

TABLES = ("report_templates", "reports", "field_values")


@pytest.fixture
def database(tmp_path, monkeypatch):
    """DuckDB in place of a warehouse."""
    with database_under_test("duckdb-warehouse", tmp_path, {}) as each:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", each.connection_json)
        monkeypatch.setattr(snowflake, "SnowflakeDatabase", DuckDBWarehouse)
        yield each


@pytest.fixture
def load(make_run):
    def load(batches, run="r", read_history=False):
        with closing(SqlRunWriter(database_of("warehouse", None), TABLES, "merge", make_run(run))) as writer:
            writer.check()
            history = writer.run_history() if read_history else None
            for table, batch in batches:
                writer.write(table, batch)
            writer.commit(None)
            return history

    return load


@pytest.mark.parametrize("broken", ["DELETE", "MERGE"])
def test_failed_transaction_changes_nothing(load, database, pull, monkeypatch, broken):
    load(pull(range(20)))
    before = database.tables()
    transact = DuckDBWarehouseSession.transact

    def fail(self, statements):
        assert [each.split()[0] for each in statements] == ["MERGE", "MERGE", "DELETE", "MERGE"]
        last = max(place for place, each in enumerate(statements) if each.startswith(broken))
        transact(self, [*statements[:last], "SELECT 1 FROM nowhere", *statements[last:]])

    monkeypatch.setattr(DuckDBWarehouseSession, "transact", fail)
    with pytest.raises(adbc.Error, match="nowhere"):
        load(pull(range(10, 30), value="2.00"))
    after = database.tables()
    assert {table: rows for table, rows in after.items() if "STAGE" not in table} == before


def test_staging_tables_are_dropped(load, database, pull):
    load(pull(range(5)))
    assert tuple(database.tables()) == tuple(sorted(TABLES))

    def failing_batches():
        yield from pull(range(5))
        raise TimeoutError

    with pytest.raises(TimeoutError):
        load(failing_batches())
    assert tuple(database.tables()) == tuple(sorted(TABLES))


def test_run_history_of_a_dropped_table_is_deleted(load, database, pull, rows, make_run):
    """The new table is committed before the pull, so its run history has to be deleted as well."""
    load(pull(range(5)), "a", read_history=True)
    assert len(load(pull(range(5)), "b", read_history=True)) == 1
    database.query("DROP TABLE reports")
    with closing(SqlRunWriter(database_of("warehouse", None), ["reports"], "merge", make_run("c"))) as writer:
        writer.check()
        writer.write("reports", rows("reports", [{"id": "1"}]))
        writer.commit(None)
    assert load(pull(range(5)), "d", read_history=True) == []


def test_driver_without_adbc_ingest_is_an_error(load, database, pull, monkeypatch):
    def fail(*arguments, **options):
        raise adbc.InternalError("no adbc_ingest here", status_code=adbc._lib.AdbcStatusCode.NOT_IMPLEMENTED)

    monkeypatch.setattr(adbc.Cursor, "adbc_ingest", fail)
    with pytest.raises(OpenESGConfigError, match=r"cannot be written: .*no adbc_ingest here"):
        load(pull(range(5)))


def test_unknown_driver_is_an_error(monkeypatch):
    for driver in ("/nowhere/libadbc.so", "nosuchdriver"):
        extra = f'{{"driver": "{driver}", "dialect": "bigquery"}}'
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f'{{"conn_type": "adbc", "extra": {extra}}}')
        database = database_of("warehouse", "esg")
        with pytest.raises(OpenESGConfigError, match="cannot be opened: .*" + re.escape(driver)), database.opened():
            pass


def test_names_and_secrets(monkeypatch, tmp_path):
    (tmp_path / "adbc_driver_snowflake.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for fields, name in (
        ('"host": "u:geheim@acme/esg/public?warehouse=w"', "snowflake://acme/esg"),
        ('"login": "u", "password": "geheim"', "snowflake://acme/esg"),
    ):
        kwargs = '{"adbc.snowflake.sql.account": "acme", "adbc.snowflake.sql.db": "esg"}'
        extra = f'"extra": {{"dialect": "snowflake", "db_kwargs": {kwargs}}}'
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f'{{"conn_type": "adbc", {fields}, {extra}}}')
        database = database_of("warehouse", "esg")
        assert database.name == name
        assert "geheim" in database._secrets


class Recorder:
    """A connection that records statements and returns no rows."""

    description = None

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.ingested: dict[str, dict] = {}
        self.adbc_connection = self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def cursor(self) -> Recorder:
        return self

    def execute(self, statement: str) -> None:
        self.executed.append(statement)
        # Queries with a result: the schema, and the number of keys.
        has_result = re.match("SELECT (CURRENT_SCHEMA|COUNT)", statement)
        self.description = [("x",)] if has_result else None

    def fetchall(self) -> list[tuple[object]]:
        return [(1,)]

    def adbc_ingest(self, table, reader, **options) -> None:
        self.ingested[table] = {**options, "rows": reader.read_all()}

    def set_autocommit(self, enabled: bool) -> None:
        self.executed.append(f"autocommit {enabled}")

    def commit(self) -> None:
        self.executed.append("commit")


DIALECTS = {"snowflake": (SnowflakeSession, SnowflakeDatabase), "bigquery": (BigQuerySession, BigQueryDatabase)}
WIDE = Table(
    "vsme_reports",
    pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("select", pa.decimal128(38, 12), metadata={"description": "Müller's \\ `x`\nnext", "unit": "kWh"}),
        ]
    ),
    ("id",),
)


@pytest.fixture(params=DIALECTS)
def recorded(request, rows):
    """The statements of a run in each dialect."""
    make, database = DIALECTS[request.param]
    recorder = Recorder()
    session = make(recorder, "warehouse", "esg")
    session.begin()
    store = database(lambda: None, DatabaseIdentity.of_server("warehouse", "acme"), "esg").storable
    value = {"id": "1", "report_id": "1", "value_decimal": Decimal("1.5")}
    for wanted, batch in (
        (tidy("reports"), rows("reports", [{"id": "1"}])),
        (tidy("field_values"), rows("field_values", [value])),
        (WIDE, pa.RecordBatch.from_pylist([{"id": "1", "select": Decimal(2)}], WIDE.schema)),
    ):
        assert session.existing_table(wanted) is None
        session.create(wanted)
        session.probe(wanted)
        session.add(wanted, WIDE.schema.field("select"))
        with closing(StagedTable(wanted.name, store(batch).schema)) as staged:
            staged.write(store(batch))
            staged.finish()
            session.merge(wanted, staged, staged)
            session.delete(wanted, staged, "it's")
            session.delete(wanted, staged)
            assert session.insert(wanted, staged) == 1
    session.clear(tidy("reports"), "status", id="\\'\n")
    session.select(tidy("reports"), ["id"], limit=1, status="x")
    session.commit()
    session.drop_stages()
    return request.param, recorder


def test_statements_are_valid_in_their_dialect(recorded):
    dialect, recorder = recorded
    statements = [
        each for each in recorder.executed if not re.match("autocommit|commit|ALTER SESSION|USE SCHEMA", each)
    ]
    parsed = [tree for each in statements for tree in sqlglot.parse(each, read=dialect)]
    assert not [each.sql(dialect) for each in parsed if isinstance(each, exp.Command)]
    kinds = {type(each) for each in parsed}
    assert {exp.Create, exp.Alter, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Select, exp.Drop} <= kinds
    literals = [each.name for tree in parsed for each in tree.find_all(exp.Literal)]
    assert literals.count("Müller's \\ `x`\nnext [kWh]") == 4  # of one new table, and of a column added to each table
    assert {"it's", "\\'\n"} <= set(literals)
    merged = [each for each in parsed if isinstance(each, exp.Merge)]
    columns = {each.name for each in merged[-1].find_all(exp.Column)}
    assert columns == ({"ID", "SELECT"} if dialect == "snowflake" else {"id", "select"})


def test_rows_are_staged_and_then_changed_in_one_transaction(recorded):
    dialect, recorder = recorded
    changed = [place for place, each in enumerate(recorder.executed) if re.match("MERGE|BEGIN|DELETE .* IN ", each)]
    last = recorder.executed[changed[-1] :]
    if dialect == "bigquery":
        assert len(changed) == 3  # for two tables created after rows were queued, and for the commit
        assert re.fullmatch(r"BEGIN TRANSACTION;\n.*;\nCOMMIT TRANSACTION;\nSELECT 1", last[0], re.DOTALL)
        assert "MERGE" in last[0]
        assert {each["db_schema_name"] for each in recorder.ingested.values()} == {"esg"}
    else:
        assert "commit" in last
        assert "autocommit False" in recorder.executed[: changed[-1]]
    assert not [each for each in last[1:] if each.startswith("CREATE")]
    staged = next(each["rows"] for each in recorder.ingested.values() if "value_decimal" in each["rows"].column_names)
    assert staged["value_decimal"].to_pylist() == ["1.500000000000"]


def test_no_table_is_dropped_in_a_transaction_that_failed(monkeypatch, rows):
    """If dropping a table commits, it would commit a part of the transaction."""
    recorder = Recorder()

    def execute(statement):
        Recorder.execute(recorder, statement)
        if statement.startswith("MERGE"):
            raise adbc.OperationalError("lost", status_code=adbc._lib.AdbcStatusCode.IO)

    monkeypatch.setattr(recorder, "execute", execute)
    warehouse = SnowflakeDatabase(lambda: recorder, DatabaseIdentity.of_server("snowflake", "acme"), "esg")
    with closing(StagedTable("reports", tidy("reports").schema)) as staged:
        staged.write(rows("reports", [{"id": "1"}]))
        staged.finish()

        def load():
            with warehouse.opened() as session:
                session.merge(tidy("reports"), staged, None)
                session.commit()

        with pytest.raises(adbc.Error, match="lost"):
            load()
    assert recorder.executed[-1].startswith("MERGE")


def test_bigquery_driver_without_bulk_ingestion_is_an_error(monkeypatch, rows):
    def fail(*arguments, **options):
        status = adbc._lib.AdbcStatusCode.INVALID_ARGUMENT
        raise adbc.ProgrammingError(
            "unknown statement string type option `adbc.ingest.target_table`", status_code=status
        )

    recorder = Recorder()
    monkeypatch.setattr(recorder, "adbc_ingest", fail)
    with pytest.raises(OpenESGConfigError, match=r"cannot load rows in bulk.* `dbc install bigquery`"):
        BigQuerySession(recorder, "bigquery://project", "esg").probe(tidy("reports"))


def test_bigquery_session(monkeypatch):
    """Other errors than the driver's missing option are not changed; a dataset that cannot be read does not exist."""
    status = adbc._lib.AdbcStatusCode.IO

    def fail(*arguments, **options):
        raise adbc.OperationalError("lost", status_code=status)

    recorder = Recorder()
    database = BigQueryDatabase(lambda: recorder, DatabaseIdentity.of_bigquery("project"), "esg")
    with database.opened() as session:
        assert isinstance(session, BigQuerySession)
        assert session.has_schema()
        monkeypatch.setattr(recorder, "adbc_ingest", fail)
        with pytest.raises(adbc.OperationalError, match="lost"):
            session.probe(tidy("reports"))
        monkeypatch.setattr(recorder, "execute", fail)
        assert not session.has_schema()


def test_missing_schema_is_an_error():
    with pytest.raises(OpenESGConfigError, match="schema: not given, and the Connection has none"):
        BigQuerySession(Recorder(), "bigquery://project", None)
