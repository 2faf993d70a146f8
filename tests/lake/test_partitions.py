from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow.dataset as ds
import pytest

from airflow_provider_openesg.lake import writer as files
from airflow_provider_openesg.lake.manifest import read_manifest
from airflow_provider_openesg.lake.partitions import partition_folder
from airflow_provider_openesg.lake.writer import FileRunWriter
from airflow_provider_openesg.tables.schemas import SCHEMAS

KEYS = {"1": "vsme", "2": "a b/c=d:é%", "3": None, "4": "2026", "5": "__x__.."}
"""Key of each template; one has none."""


def pull(rows):
    yield "report_templates", rows("report_templates", [{"id": id_, "key": key} for id_, key in KEYS.items()])
    for number in range(3):
        templates = [*KEYS, "9", None]  # a template that is not listed, and a report without one
        reports = [{"id": f"{number}-{each}", "template_id": each} for each in templates]
        yield "reports", rows("reports", reports)


def write(path, run, batches, file_format="parquet", tables=("reports",)):
    with closing(FileRunWriter(str(path), tables, file_format, run, partition_by="template")) as writer:
        writer.check()
        assert {"report_templates", *tables} == {*writer.pulls}
        for table, batch in batches:
            writer.write(table, batch)
        writer.commit(None)
    return read_manifest(path)


@pytest.fixture
def manifest(tmp_path, make_run, rows):
    return write(tmp_path, make_run(), pull(rows))


WANTED = {
    "vsme": ["1"],
    "a b/c=d:é%": ["2"],
    "3": ["3"],
    "2026": ["4"],
    "__x__..": ["5"],
    "9": ["9"],
    None: [None],
}


def test_one_file_per_template_with_a_hive_name(tmp_path, manifest):
    assert {Path(path).parent.name for path in manifest.paths} == {
        "template=vsme",
        "template=a b%2Fc%3Dd%3Aé%25",
        "template=3",
        "template=2026",
        "template=__x__..",
        "template=9",
        "template=__HIVE_DEFAULT_PARTITION__",
    }
    assert manifest.tables["reports"].rows == 21
    assert [file.rows for file in manifest.tables["reports"].files] == [3] * 7
    assert not (tmp_path / "report_templates").exists()  # read for the keys, but not selected


def test_duckdb_reads_the_partitions(manifest):
    reports = duckdb.read_parquet(manifest.files("reports"), hive_partitioning=True)
    found = reports.aggregate("template, list(DISTINCT template_id)").fetchall()
    assert {template: ids or [None] for template, ids in found} == WANTED
    assert reports.aggregate("count(*)").fetchall() == [(21,)]


def test_pyarrow_reads_the_partitions(manifest):
    table = ds.dataset(manifest.files("reports"), partitioning="hive").to_table(columns=["template", "template_id"])
    found: dict[str | None, list[str | None]] = {}
    for row in table.to_pylist():
        found[row["template"]] = [row["template_id"]]
    assert found == WANTED
    assert table.num_rows == 21


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_text_formats_use_the_same_directories(tmp_path, make_run, rows, file_format):
    manifest = write(tmp_path, make_run(), pull(rows), file_format)
    assert {unquote(Path(path).parent.name) for path in manifest.paths} == {
        f"template={each or '__HIVE_DEFAULT_PARTITION__'}" for each in WANTED
    }


def test_partitioned_table_without_rows_has_a_file(tmp_path, make_run, rows):
    manifest = write(tmp_path, make_run(), [("reports", rows("reports", []))])
    assert duckdb.read_parquet(manifest.files("reports"), hive_partitioning=True).fetchall() == []


def test_special_characters_of_hive():
    special = "\"#%'*/:=?\\{[]^\x01\x1f\x7f"
    assert partition_folder("template", special) == "template=" + "".join(f"%{ord(each):02X}" for each in special)
    assert partition_folder("template", "a-b_c.d e,f;g+h|ü") == "template=a-b_c.d e,f;g+h|ü"
    assert (
        partition_folder("template", "") == partition_folder("template", None) == "template=__HIVE_DEFAULT_PARTITION__"
    )


def test_memory_is_limited_with_many_partitions(tmp_path, make_run, rows, monkeypatch):
    monkeypatch.setattr(files, "HELD_BYTES", 10_000)
    batches = [("reports", rows("reports", [{"id": f"{n}", "template_id": f"{n % 50}"}])) for n in range(500)]
    held = []
    with closing(FileRunWriter(str(tmp_path), ("reports",), "parquet", make_run(), partition_by="template")) as writer:
        writer.check()
        for table, batch in batches:
            writer.write(table, batch)
            held.append(sum(each.file.held_bytes for each in writer._open.values()))
        writer.commit(None)
    assert 5_000 < max(held) <= 10_000
    manifest = read_manifest(tmp_path)
    assert ds.dataset(manifest.files("reports")).to_table().num_rows == 500
    assert len(manifest.paths) == 50
    assert manifest.tables["reports"].columns[0].name == SCHEMAS["reports"].names[0]
