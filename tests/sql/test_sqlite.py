from __future__ import annotations

import resource
from contextlib import closing
from decimal import Decimal

import pytest
from databases import database_under_test

from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.transfers.databases import database_of


def test_full_disk_leaves_the_tables_unchanged(tmp_path, postgres, monkeypatch, make_run, pull):
    with database_under_test("sqlite", tmp_path, postgres) as database:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", database.connection_json)

        def write(reports):
            target = database_of("warehouse", None)
            with closing(SqlRunWriter(target, ["reports", "field_values"], "merge", make_run())) as writer:
                for table, batch in pull(range(reports)):
                    if table in writer.pulls:
                        writer.write(table, batch)
                writer.commit(None)

        write(10)
        before = database.tables()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
        try:
            with pytest.raises(Exception, match=r"(?i)disk|file too large"):
                write(4000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert database.tables() == before
        write(4000)
        assert database.query("SELECT count(*) FROM field_values") == [(12_000,)]


def test_decimals_are_text_with_all_digits_and_no_exponent(tmp_path, postgres, monkeypatch, make_run, rows):
    given = ["1.5", "0", "-0.00000012", "1E-12", "-99999999999999999999999999.999999999999"]
    values = [{"id": str(number), "value_decimal": Decimal(text)} for number, text in enumerate(given)]
    with database_under_test("sqlite", tmp_path, postgres) as database:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", database.connection_json)
        with closing(SqlRunWriter(database_of("warehouse", None), ["field_values"], "append", make_run())) as writer:
            writer.write("field_values", rows("field_values", values))
            writer.commit(None)
        assert database.query("SELECT value_decimal FROM field_values ORDER BY id") == [
            ("1.500000000000",),
            ("0.000000000000",),
            ("-0.000000120000",),
            ("0.000000000001",),
            ("-99999999999999999999999999.999999999999",),
        ]
