"""Behavior that all databases share, by each load method."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from databases import NO_MYSQL, WAYS, database_under_test, mysql_is_available
from duckdb_warehouse import DuckDBWarehouse

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.sql import snowflake
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.layout import Table
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.transfers.databases import database_of

TYPES = {
    "duckdb": ["VARCHAR", "DECIMAL(38,12)", "BIGINT", "BOOLEAN", "DATE", "JSON"],
    "postgres": ["text", "numeric", "bigint", "boolean", "date", "json"],
    "sqlite": ["TEXT", "TEXT", "BIGINT", "BOOLEAN", "DATE", "TEXT"],
    "mysql": ["longtext", "decimal(38,12)", "bigint(20)", "tinyint(1)", "date", "longtext"],
}
TYPED = ("value", "value_decimal", "value_integer", "value_boolean", "value_start", "value_complex")


@pytest.fixture(params=[*WAYS, "duckdb-warehouse"])
def database(request, tmp_path, postgres, monkeypatch):
    if request.param == "mysql" and not mysql_is_available():
        pytest.skip(NO_MYSQL)
    with database_under_test(request.param, tmp_path, postgres) as each:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", each.connection_json)
        if each.missing:
            monkeypatch.setitem(sys.modules, each.missing, None)
        monkeypatch.setattr(snowflake, "SnowflakeDatabase", DuckDBWarehouse)
        yield each


@pytest.fixture
def query(database):
    return database.query


@pytest.fixture
def write(database, make_run):
    def load(batches, mode="merge", tables=("report_templates", "reports", "field_values"), run=None, extra=()):
        writer = SqlRunWriter(database_of("warehouse", database.schema), tables, mode, run or make_run())
        with closing(writer):
            for wanted in extra:
                writer.expect(wanted)
            writer.check()
            for table, batch in batches:
                if table in writer.pulls or table in [wanted.name for wanted in extra]:
                    writer.write(table, batch)
            return writer.commit(None)

    return load


def columns_of(database, table):
    """Return the names and types of the columns in the database."""
    sql = {
        "duckdb": "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '{}'",
        "sqlite": "SELECT name, type FROM pragma_table_info('{}')",
        "mysql": "SELECT column_name, column_type FROM information_schema.columns"
        " WHERE table_name = '{}' AND table_schema = database()",
        "postgres": "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = '{}' AND table_schema = current_schema()",
    }[database.dialect]
    return {
        name: type_ if isinstance(type_, str) else type_.decode() for name, type_ in database.query(sql.format(table))
    }


def test_tables_have_types_and_keys(write, database, query, pull, rows):
    result = write(((table, rows(table, [])) for table in TABLES), tables=tuple(TABLES))
    assert result["schema"] == database.schema or database.schema is None
    types = columns_of(database, "field_values")
    assert [types[name] for name in TYPED] == TYPES[database.dialect]
    assert set(types) == set(SCHEMAS["field_values"].names)
    write(pull(range(2)))  # the created tables pass the check
    for table in TABLES:
        with pytest.raises(Exception, match=r"(?i)null|duplicate|unique|constraint|default value"):
            query(f"INSERT INTO {table} ({TABLES[table][0]}) VALUES (NULL)")


def test_values_are_stored_unchanged(write, database, query, rows):
    text = "ü€😀 '\"\\ %s :x \t\n{}"
    given = {
        "id": "1",
        "report_id": "1",
        "value": text,
        "value_decimal": Decimal("-12345678901234567890123456.123456789012"),
        "value_integer": -(2**63),
        "value_boolean": False,
        "value_start": date(1000, 1, 1),
        "value_complex": '{"b": 1.00, "a": "\\u0000", "a": 12345678901234567890.5}',
        "comment": "",
    }
    template = {"id": "1", "updated_at": datetime(2026, 1, 31, 12, 0, 0, 123456, UTC), "progress": 1 / 3}
    write([("reports", rows("reports", [template])), ("field_values", rows("field_values", [given]))])
    [found] = query(f"SELECT {', '.join(TYPED)}, comment FROM field_values")
    value, number, integer, boolean, start, json_, comment = found
    assert (value, Decimal(number), integer, comment) == (text, given["value_decimal"], -(2**63), "")
    assert boolean in (False, 0)
    assert boolean is not None
    assert str(start) == str(given["value_start"])
    if database.dialect == "postgres":
        [(json_,)] = query("SELECT value_complex::text FROM field_values")
    assert json_ == given["value_complex"]
    [(progress, at)] = query(
        "SELECT progress, epoch_us(updated_at) FROM reports"
        if database.dialect == "duckdb"
        else "SELECT progress, updated_at FROM reports"
    )
    assert progress == 1 / 3
    expected = {
        "duckdb": 1769860800123456,
        "postgres": template["updated_at"],
        "sqlite": "2026-01-31 12:00:00.123456+00:00",
        "mysql": template["updated_at"].replace(tzinfo=None),
    }
    assert at == expected[database.dialect]


def test_merge_by_key(write, query, pull):
    write(pull(range(20), value="1.00"))
    write(pull(range(10, 30), value="2.00"))
    assert query("SELECT value, count(*) FROM field_values GROUP BY 1 ORDER BY 1") == [("1.00", 30), ("2.00", 60)]
    assert query("SELECT count(*) FROM reports") == [(30,)]


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_value_changes_to_null_and_back(write, query, rows, mode):
    for comment in ("good", None, "better", "better", ""):
        values = [{"id": "1", "report_id": "1", "comment": comment}, {"id": "2", "report_id": "1", "comment": "same"}]
        write([("reports", rows("reports", [{"id": "1"}])), ("field_values", rows("field_values", values))], mode)
        assert query("SELECT comment FROM field_values ORDER BY id") == [(comment,), ("same",)]


@pytest.mark.parametrize("tables", [("reports", "field_values"), ("field_values",)])
def test_merge_deletes_values_that_a_report_no_longer_has(write, database, query, pull, tables):
    write(pull(range(20), values=5), tables=tables)
    write(pull(range(10), values=2), tables=tables)
    write(pull(range(15, 16), values=0), tables=tables)
    assert query("SELECT count(*) FROM field_values") == [(10 * 2 + 9 * 5,)]
    assert tuple(database.tables()) == tuple(sorted(tables))


def test_value_that_moves_to_another_report(write, query, rows):
    def platform(report):
        yield "reports", rows("reports", [{"id": report}])
        yield (
            "field_values",
            rows("field_values", [{"id": "1", "report_id": report}, {"id": report, "report_id": report}]),
        )

    write(platform("a"))
    write(platform("b"))
    assert query("SELECT id, report_id FROM field_values ORDER BY id") == [("1", "b"), ("a", "a"), ("b", "b")]


def test_merge_deletes_sections_that_a_template_no_longer_has(write, query, rows):
    def template(name, *sections):
        yield "report_templates", rows("report_templates", [{"id": name}])
        yield "sections", rows("sections", [{"template_id": name, "id": each} for each in sections])

    write(template("1", "a", "b"), tables=("sections",))
    write(template("2", "a", "b"), tables=("sections",))
    write(template("1", "b", "c"), tables=("sections",))
    assert query("SELECT template_id, id FROM sections ORDER BY 1, 2") == [
        ("1", "b"), ("1", "c"), ("2", "a"), ("2", "b"),
    ]  # fmt: skip


def test_replace_leaves_only_the_rows_of_this_run(write, query, pull):
    write(pull(range(20)), "replace")
    write(pull(range(15, 25), values=1), "replace")
    assert query("SELECT count(*), min(id), max(id) FROM reports") == [(10, "15", "24")]
    assert query("SELECT count(*) FROM field_values") == [(10,)]


def test_append_stores_each_run_once(write, query, pull, make_run):
    first, second = make_run("a"), make_run("b")
    write(pull(range(20)), "append", run=first)
    write(pull(range(5)), "append", run=second)
    write(pull(range(7)), "append", run=second)
    assert dict(query("SELECT run_id, count(*) FROM reports GROUP BY 1")) == {first.token: 20, second.token: 7}
    assert dict(query("SELECT run_id, count(*) FROM field_values GROUP BY 1")) == {first.token: 60, second.token: 21}


def test_ids_differ_by_case(write, query, rows):
    write([("reports", rows("reports", [{"id": "a"}, {"id": "A"}]))], tables=["reports"])
    write([("reports", rows("reports", [{"id": "A", "status": "new"}]))], tables=["reports"])
    assert sorted(query("SELECT id, status FROM reports")) == [("A", "new"), ("a", None)]


def test_missing_column_is_added_and_other_columns_are_kept(write, query, pull):
    write(pull(range(3)))
    query("ALTER TABLE reports DROP COLUMN reason")
    query("ALTER TABLE reports ADD COLUMN note VARCHAR(20)")
    query("UPDATE reports SET note = 'mine'")
    write(pull(range(1, 5)))
    assert query("SELECT id, note, reason FROM reports ORDER BY 1") == [
        ("0", "mine", None), ("1", "mine", None), ("2", "mine", None), ("3", None, None), ("4", None, None),
    ]  # fmt: skip


@pytest.fixture
def assert_existing_table_is_an_error(write, database, query):
    def check(statement, message):
        key = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if database.dialect == "mysql" else "TEXT"
        one = "'1'::text" if database.dialect == "postgres" else "'1'"
        if database.dialect == "postgres":
            query(f"CREATE SCHEMA {database.schema}")
        query(statement.format("reports", id=key, one=one))

        def batches_that_must_not_be_read():
            raise AssertionError
            yield

        before = database.tables()
        with pytest.raises(OpenESGConfigError, match=message):
            write(batches_that_must_not_be_read())
        assert database.tables() == before

    return check


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE {} (id INTEGER PRIMARY KEY)", r"column id is (?i:INT\w*(\(11\))?), but must be "),
        ("CREATE TABLE {} (name VARCHAR(9))", r"reports in .*: key column id \(.*\) is missing"),
        ("CREATE TABLE {} (id {id} PRIMARY KEY, progress DATE)", "progress is (?i:date), but must be (?i:d|r)"),
        ("CREATE TABLE {} (id {id} PRIMARY KEY, mine INT NOT NULL)", "column mine .* is NOT NULL and has no default"),
    ],
)  # fmt: skip
def test_existing_table_with_other_columns_is_an_error_before_reading(
    assert_existing_table_is_an_error, statement, message
):
    assert_existing_table_is_an_error(statement, message)


@pytest.mark.parametrize("database", WAYS, indirect=True)  # not warehouses, which do not enforce keys
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE {} (id {id})", r"primary key is missing, but must be \(id\)"),
        ("CREATE VIEW {} AS SELECT {one} AS id", "primary key is missing|column id is"),
    ],
)
def test_existing_table_without_the_key_is_an_error_before_reading(
    assert_existing_table_is_an_error, statement, message
):
    assert_existing_table_is_an_error(statement, message)


@pytest.mark.parametrize("table", ["reports", "field_values"])
def test_write_modes_cannot_be_mixed_in_one_table(write, pull, table):
    write(pull(range(3)), "append", [table])
    with pytest.raises(OpenESGConfigError, match=rf"{table} .* key is \(run_id, id\), but must be \(id\)"):
        write(pull(range(3)), "merge", [table])


@pytest.mark.parametrize("report", ["0", "3"], ids=["there already", "new"])
@pytest.mark.parametrize(
    ("mode", "table", "count"),
    [("merge", "reports", 5), ("merge", "field_values", 13), ("replace", "reports", 5), ("append", "field_values", 13)],
)
def test_two_rows_with_one_key_are_an_error_and_nothing_is_written(
    write, database, pull, rows, mode, table, count, report
):
    write(pull(range(3)), mode)
    before = database.tables()
    twice = {"reports": {"id": report}, "field_values": {"id": f"{report}-0", "report_id": report}}[table]
    with pytest.raises(
        OpenESGContractError, match=rf"{table}: .* {count} rows .* only {count - 1} different keys \(.*id\)"
    ):
        write([*pull(range(4)), (table, rows(table, [twice]))], mode)
    assert database.tables() == before


def test_reserved_words_and_mixed_case(write, database, query):
    key = pa.field("Select", pa.string(), nullable=False)
    schema = pa.schema([key, ("order by", pa.string()), ("it's 5 \"", pa.int64())])
    wanted = Table("From Where", schema, ("Select",))
    for number in range(2):
        batch = pa.RecordBatch.from_arrays([["1"], ["x"], [number]], schema=schema)
        write([("From Where", batch)], tables=["reports"], extra=[wanted])
    mark = "`" if database.dialect == "mysql" else '"'
    column = "it's 5 \"".replace(mark, mark * 2)
    assert query(f"SELECT {mark}{column}{mark} FROM {mark}From Where{mark}") == [(1,)]
