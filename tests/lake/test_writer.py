from __future__ import annotations

import csv
import json
import resource
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake import formats
from airflow_provider_openesg.lake.manifest import read_manifest, read_manifests
from airflow_provider_openesg.lake.storage import Lake
from airflow_provider_openesg.lake.writer import FileRunWriter

TABLES = ("report_templates", "reports", "field_values")


def write(path: Path, run, batches, file_format="parquet", commit=True, tables=TABLES):
    with closing(FileRunWriter(str(path), tables, file_format, run)) as writer:
        writer.check()
        for table, batch in batches:
            writer.write(table, batch)
        return writer.commit(None) if commit else None


def data_files(path: Path) -> set[str]:
    """Return the data files, found by their suffix."""
    return {str(file.relative_to(path)) for file in path.glob("*/*") if file.suffix in (".parquet", ".jsonl", ".csv")}


def test_run_is_one_file_per_table_and_a_manifest(tmp_path, make_run, pull):
    run = make_run()
    result = write(tmp_path, run, pull(range(25)))

    manifest = read_manifest(tmp_path)
    assert result == {
        "path": f"file://{tmp_path}",
        "manifest": f"file://{tmp_path}/_openesg/runs/{run.token}.json",
    }
    assert {table: entry.rows for table, entry in manifest.tables.items()} == {
        "report_templates": 1,
        "reports": 25,
        "field_values": 75,
    }
    [file] = manifest.files("field_values")
    assert pq.read_table(file).num_rows == 75
    assert Path(file).stat().st_size == manifest.tables["field_values"].files[0].bytes
    assert (manifest.dag_id, manifest.task_id, manifest.run_id) == ("nightly", "extract", run.run_id)
    assert manifest.selection == {"templates": ["vsme"]}
    assert len(data_files(tmp_path)) == 3
    assert not list(tmp_path.glob("_openesg/write_tests/*"))


def test_parquet_has_metadata_units_and_large_row_groups(tmp_path, make_run, pull):
    run = make_run()
    write(tmp_path, run, pull(range(500)))
    file = pq.ParquetFile(read_manifest(tmp_path).files("field_values")[0])

    assert file.metadata.num_row_groups == 1  # from 50 pages
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    columns = [file.metadata.row_group(0).column(number) for number in range(file.metadata.num_columns)]
    bounds = {each.path_in_schema for each in columns if each.is_stats_set}
    assert {"id", "report_id", "template_id", "value_decimal", "value_start", "valid"} <= bounds
    assert not {"value", "comment", "field_key", "unit", "extra"} & bounds
    metadata = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    assert metadata["openesg.api_url"] == "http://127.0.0.1/api/v1"
    assert metadata["openesg.run"] == run.token
    assert json.loads(metadata["openesg.selection"]) == {"templates": ["vsme"]}
    assert "openesg.package_version" in metadata
    assert file.schema_arrow.field("value_decimal").metadata[b"unit"] == b"column unit"


def test_duckdb_reads_compression_and_provenance(tmp_path, make_run, pull):
    run = make_run()
    write(tmp_path, run, pull(range(5)))
    [file] = read_manifest(tmp_path).files("field_values")
    chunks = duckdb.sql("SELECT DISTINCT compression FROM parquet_metadata($file)", params={"file": file})
    assert chunks.fetchall() == [("ZSTD",)]
    metadata = duckdb.sql("SELECT decode(key), decode(value) FROM parquet_kv_metadata($file)", params={"file": file})
    found = dict(metadata.fetchall())
    assert found["openesg.api_url"] == "http://127.0.0.1/api/v1"
    assert found["openesg.started_at"] == run.started_at.isoformat()
    assert json.loads(found["openesg.selection"]) == {"templates": ["vsme"]}


def test_row_groups_have_one_size_for_any_batches(tmp_path, make_run, pull, monkeypatch):
    monkeypatch.setattr(formats, "ROW_GROUP_ROWS", 100)
    held = []
    with closing(FileRunWriter(str(tmp_path), TABLES, "parquet", make_run())) as writer:
        writer.check()
        for table, batch in pull(range(130), values=7):  # 70 at once, 910 in all
            writer.write(table, batch)
            held += [each.file._rows for each in writer._open.values()]
        writer.commit(None)
    file = pq.ParquetFile(read_manifest(tmp_path).files("field_values")[0]).metadata
    assert [file.row_group(number).num_rows for number in range(file.num_row_groups)] == [100] * 9 + [10]
    assert max(held) < 100


def test_row_group_is_written_before_it_is_too_large(tmp_path, make_run, pull, monkeypatch):
    monkeypatch.setattr(formats, "ROW_GROUP_BYTES", 5_000)
    write(tmp_path, make_run(), pull(range(50), value="1" * 20))
    file = pq.ParquetFile(read_manifest(tmp_path).files("field_values")[0]).metadata
    assert file.num_rows == 150
    assert file.num_row_groups > 1


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_text_formats_are_lossless(tmp_path, make_run, rows, file_format):
    values = [
        {"id": "1", "value": 'a "b"\n;,é', "value_decimal": Decimal("0.000000000001"), "valid": True},
        {"id": "2", "value": "", "value_decimal": Decimal(12345678901234567890123456), "value_integer": -5},
        {"id": "3", "value": None, "value_decimal": Decimal(0), "value_complex": '{"x": [1, "2"]}'},
    ]
    reports = [{"id": "9", "updated_at": "2026-01-31T12:00:00.5"}]
    reports[0]["updated_at"] = __import__("datetime").datetime(2026, 1, 31, 12, 0, 0, 500000)
    write(
        tmp_path,
        make_run(),
        [("field_values", rows("field_values", values)), ("reports", rows("reports", reports))],
        file_format,
    )
    manifest = read_manifest(tmp_path)
    text = Path(manifest.files("field_values")[0]).read_text()
    if file_format == "jsonl":
        read = [json.loads(line) for line in text.splitlines()]
        report = json.loads(Path(manifest.files("reports")[0]).read_text())
        assert [row["value"] for row in read] == ['a "b"\n;,é', "", None]
        assert [row["valid"] for row in read] == [True, None, None]
        assert [row["value_integer"] for row in read] == [None, -5, None]
    else:
        read = list(csv.DictReader(text.splitlines(keepends=True)))
        report = next(csv.DictReader(Path(manifest.files("reports")[0]).read_text().splitlines()))
        assert [row["value"] for row in read] == ['a "b"\n;,é', "", ""]
        # Null is an empty field and the empty string is quoted, so that DuckDB and pyarrow distinguish them.
        assert ',"",' in text.splitlines()[3]
        assert '""' not in text.splitlines()[4].replace('""x""', "").replace('""2""', "")
        assert [row["valid"] for row in read] == ["true", "", ""]
    assert [row["value_decimal"] for row in read] == ["0.000000000001", "12345678901234567890123456", "0"]
    assert read[2]["value_complex"] == '{"x": [1, "2"]}'
    assert report["updated_at"] == "2026-01-31T12:00:00.500000Z"


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_table_without_rows_has_a_file(tmp_path, make_run, rows, file_format):
    write(tmp_path, make_run(), [("reports", rows("reports", []))], file_format)
    manifest = read_manifest(tmp_path)
    assert manifest.tables["reports"].rows == 0
    assert Path(manifest.files("reports")[0]).exists()


def test_files_of_an_uncommitted_run_are_removed(tmp_path, make_run, pull):
    write(tmp_path, make_run(), pull(range(5)), commit=False)
    assert read_manifests(tmp_path) == []
    assert data_files(tmp_path) == set()
    with pytest.raises(OpenESGConfigError, match="no committed run"):
        read_manifest(tmp_path)


def test_retry_replaces_only_its_own_files(tmp_path, make_run, pull):
    other, mapped, run = make_run("manual__1"), make_run(map_index=3), make_run()
    for each in (other, mapped, run):
        write(tmp_path, each, pull(range(5)))
    before = {manifest.run: manifest.files("reports") for manifest in read_manifests(tmp_path)}

    write(tmp_path, make_run(), pull(range(8)))

    after = {manifest.run: manifest.files("reports") for manifest in read_manifests(tmp_path)}
    assert after.keys() == before.keys()
    assert after[other.token] == before[other.token]
    assert after[mapped.token] == before[mapped.token]
    assert pq.read_table(after[run.token][0]).num_rows == 8
    assert not Path(before[run.token][0]).exists()
    assert len(data_files(tmp_path)) == 9


def test_earlier_try_is_valid_until_the_retry_is_committed(tmp_path, make_run, pull):
    write(tmp_path, make_run(), pull(range(5)))
    before = read_manifest(tmp_path)
    with closing(FileRunWriter(str(tmp_path), TABLES, "parquet", make_run())) as writer:
        writer.check()
        for table, batch in pull(range(9)):
            writer.write(table, batch)
        assert read_manifests(tmp_path) == [before]
        assert pq.read_table(before.files("reports")[0]).num_rows == 5
        assert len(data_files(tmp_path)) == 3


def test_unwritable_path_is_an_error(tmp_path, make_run, pull):
    (tmp_path / "file").write_text("somebody's")
    with pytest.raises(OpenESGConfigError, match=r"path '.*/file/esg': cannot be written"):
        write(tmp_path / "file" / "esg", make_run(), pull(range(1)))
    assert (tmp_path / "file").read_text() == "somebody's"


def test_invalid_manifest_is_an_error(tmp_path, make_run, pull):
    write(tmp_path, make_run(), pull(range(1)))
    (tmp_path / "_openesg/runs/x.json").write_text("{")
    with pytest.raises(OpenESGConfigError, match=r"x\.json: not a manifest"):
        read_manifests(tmp_path)


def test_manifest_of_a_later_format_is_an_error(tmp_path, make_run, pull):
    write(tmp_path, make_run(), pull(range(1)))
    (file,) = (tmp_path / "_openesg/runs").iterdir()
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(OpenESGConfigError, match=r"json: manifest format 2; this version reads 1. Upgrade the package"):
        read_manifests(tmp_path)


def test_manifest_that_is_removed_while_the_others_are_read_is_left_out(tmp_path, make_run, pull, monkeypatch):
    for run_id in ("a", "b"):
        write(tmp_path, make_run(run_id), pull(range(1)))
    names = Lake.names

    def removing(self, folder):
        listed = names(self, folder)
        (tmp_path / f"_openesg/runs/{make_run('a').token}.json").unlink()
        return listed

    monkeypatch.setattr(Lake, "names", removing)
    assert [manifest.run_id for manifest in read_manifests(tmp_path)] == ["b"]


def test_manifest_that_cannot_be_read_is_an_error(tmp_path, make_run, pull):
    """It is not left out: readers would miss its files, and the next run its changes."""
    write(tmp_path, make_run(), pull(range(1)))
    (tmp_path / "_openesg/runs/x.json").mkdir()
    with pytest.raises(OSError, match=r"x\.json"):
        read_manifests(tmp_path)


@pytest.mark.parametrize("size", [10, 100_000])
def test_full_disk_leaves_the_former_file_and_no_other(tmp_path, size):
    """The error comes with the last bytes of a small file, and with the first bytes of a large one."""
    lake = Lake(tmp_path)
    lake.put("runs/a.json", b"former")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            lake.put("runs/a.json", bytes(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert lake.find("") == ["runs/a.json"]
    assert lake.get("runs/a.json") == b"former"


def test_reading_a_table_that_was_not_pulled_is_an_error(tmp_path, make_run, pull):
    write(tmp_path, make_run(), pull(range(1)))
    with pytest.raises(OpenESGConfigError, match=r"'sections': not in run .*; it contains report_templates, reports"):
        read_manifest(tmp_path).files("sections")


def test_run_token_is_per_dag_run_and_map_index(make_run):
    assert make_run().token == make_run().token
    assert len({make_run().token, make_run(map_index=0).token, make_run("manual__1").token}) == 3
    assert "/" not in make_run("../../x y/ä").token
