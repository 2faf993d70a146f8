from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from decimal import Decimal

import duckdb
import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGContractError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.writers import duckdb as writer_module
from airflow_provider_openesg.writers.duckdb import DuckDBRunWriter


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "esg.duckdb")


@pytest.fixture
def write(database, make_run):
    def load(batches, mode="merge", tables=("report_templates", "reports", "field_values"), schema=None, run=None):
        writer = DuckDBRunWriter(lambda: duckdb.connect(database), database, schema, tables, mode, run or make_run())
        with closing(writer):
            writer.check()
            for table, batch in batches:
                if table in writer.pulls:
                    writer.write(table, batch)
            return writer.commit(None)

    return load


@pytest.fixture
def query(database):
    def run(sql):
        with duckdb.connect(database) as connection:
            return connection.execute(sql).fetchall()

    return run


def test_tables_have_types_keys_and_comments(write, query, pull, rows, database):
    assert write(((table, rows(table, [])) for table in TABLES), tables=tuple(TABLES)) == {
        "database": database,
        "schema": "main",
    }
    write(pull(range(2)))
    types = dict(query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'field_values'"))
    assert types["value_decimal"] == "DECIMAL(38,12)"
    assert types["value_complex"] == "JSON"
    assert types["valid"] == "BOOLEAN"
    keys = dict(
        query(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        )
    )
    assert keys == {table: list(key) for table, key in TABLES.items()}
    [(comment,)] = query(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'reports' AND column_name = 'progress'"
    )
    assert comment == "How much of the report is filled. [%]"
    assert query("SELECT value_decimal, value_complex ->> 'a' FROM field_values LIMIT 1") == [(Decimal("1.5"), 'b"c')]


def test_merge_by_key(write, query, pull):
    write(pull(range(20), value="1.00"))
    write(pull(range(10, 30), value="2.00"))
    assert query("SELECT value, count(*) FROM field_values GROUP BY 1 ORDER BY 1") == [("1.00", 30), ("2.00", 60)]
    assert query("SELECT count(*) FROM reports") == [(30,)]


@pytest.mark.parametrize("tables", [("reports", "field_values"), ("field_values",)])
def test_merge_takes_away_values_that_a_report_no_longer_has(write, query, pull, tables):
    write(pull(range(20), values=5), tables=tables)
    write(pull(range(10), values=2), tables=tables)
    write(pull(range(15, 16), values=0), tables=tables)
    assert query("SELECT count(*) FROM field_values") == [(10 * 2 + 9 * 5,)]
    assert query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reports'") == [("reports" in tables,)]


def test_merge_takes_away_sections_that_a_template_no_longer_has(write, query, rows):
    def template(*sections):
        yield "report_templates", rows("report_templates", [{"id": "1"}])
        yield "sections", rows("sections", [{"template_id": "1", "id": each} for each in sections])

    write(template("a", "b"), tables=("sections",))
    write(template("b", "c"), tables=("sections",))
    assert query("SELECT id FROM sections ORDER BY 1") == [("b",), ("c",)]


def test_replace_leaves_this_run_alone(write, query, pull):
    write(pull(range(20)), "replace")
    write(pull(range(15, 25), values=1), "replace")
    assert query("SELECT count(*), min(id::int), max(id::int) FROM reports") == [(10, 15, 24)]
    assert query("SELECT count(*) FROM field_values") == [(10,)]


def test_append_keeps_each_run_once(write, query, pull, make_run):
    first, second = make_run("a"), make_run("b")
    write(pull(range(20)), "append", run=first)
    write(pull(range(5)), "append", run=second)
    write(pull(range(7)), "append", run=second)
    assert dict(query("SELECT run_id, count(*) FROM reports GROUP BY 1")) == {first.token: 20, second.token: 7}


def test_reserved_words_and_mixed_case(write, query, pull):
    for _ in range(2):
        write(pull(range(3)), schema='Sel"ect From')
    assert query('SELECT count(*) FROM "Sel""ect From".reports') == [(3,)]


def test_a_column_of_ours_is_added_and_one_of_the_users_is_left(write, query, pull):
    write(pull(range(3)))
    query("ALTER TABLE reports DROP COLUMN reason")
    query("ALTER TABLE reports ADD COLUMN note VARCHAR")
    query("UPDATE reports SET note = 'mine'")
    write(pull(range(1, 5)))
    assert query("SELECT id, note, reason FROM reports ORDER BY 1") == [
        ("0", "mine", None), ("1", "mine", None), ("2", "mine", None), ("3", None, None), ("4", None, None),
    ]  # fmt: skip
    [(comment,)] = query("SELECT comment FROM duckdb_columns() WHERE table_name = 'reports' AND column_name = 'reason'")
    assert comment.startswith("Purpose")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE reports (id INTEGER PRIMARY KEY)", "column id is INTEGER there, and has to be VARCHAR"),
        ("CREATE TABLE reports (name VARCHAR)", r"main\.reports in .*: key column id \(VARCHAR\) is missing"),
        ("CREATE TABLE reports (id VARCHAR)", r"primary key is missing there, and has to be \(id\)"),
        ("CREATE TABLE reports (id VARCHAR PRIMARY KEY, progress TEXT)", "progress is VARCHAR there"),
        ("CREATE TABLE reports (ID VARCHAR PRIMARY KEY, mine INT NOT NULL)", "column mine .* takes no null"),
        ("CREATE VIEW reports AS SELECT '1' AS id", "primary key is missing"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_a_table_in_the_way_is_named_before_anything_is_pulled(write, query, statement, message, mode):
    query(statement)

    def nothing_may_be_pulled():
        raise AssertionError
        yield

    with pytest.raises(OpenESGConfigError, match=message):
        write(nothing_may_be_pulled(), mode)
    assert query("SELECT table_name FROM information_schema.tables") == [("reports",)]


def test_modes_do_not_mix_in_one_table(write, pull):
    write(pull(range(3)), "append")
    with pytest.raises(OpenESGConfigError, match=r"primary key is \(run_id, id\) there, and has to be \(id\)"):
        write(pull(range(3)), "merge")


def test_two_rows_with_one_key_are_an_error_and_nothing_is_written(write, query, pull, rows):
    write(pull(range(3)))
    twice = [*pull(range(4)), ("reports", rows("reports", [{"id": "3"}]))]
    with pytest.raises(OpenESGContractError, match=r"reports: 5 rows .* only 4 differ .* \(id\)"):
        write(twice)
    assert query("SELECT count(*) FROM reports") == [(3,)]


def test_a_database_locked_by_another_process_is_named(write, pull, database, monkeypatch):
    monkeypatch.setattr(writer_module, "LOCK_WAIT", 0.6)
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(
            OpenESGConfigError, match=rf"{database}: cannot be opened\. Stop that process.*PID {other.pid}"
        ):
            write(pull(range(1)))
        other.communicate(b"\n")
    write(pull(range(1)))


def test_a_lock_that_is_let_go_of_is_waited_for(write, query, pull, database):
    code = f"import duckdb; c = duckdb.connect({database!r}); print('open', flush=True); import time; time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        write(pull(range(1)))
    assert query("SELECT count(*) FROM reports") == [(1,)]


def test_a_database_that_cannot_be_opened_is_named(make_run, tmp_path):
    missing = str(tmp_path / "no" / "esg.duckdb")
    garbage = tmp_path / "garbage.duckdb"
    garbage.write_text("not a database " * 1000)
    for path in (missing, str(garbage)):
        writer = DuckDBRunWriter(lambda path=path: duckdb.connect(path), path, None, ["reports"], "merge", make_run())
        with closing(writer), pytest.raises(OpenESGConfigError, match=rf"{path}: cannot be opened"):
            writer.check()
