"""Write a run as files. The files are committed when the manifest of the run names them."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg import __version__
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake.commit import commit, read_replaced
from airflow_provider_openesg.lake.formats import OPENERS, TableFile
from airflow_provider_openesg.lake.manifest import (
    PARTS,
    RUNS,
    WRITE_TESTS,
    Manifest,
    ManifestFile,
    ManifestTable,
    columns_of,
    manifest_path,
    read_manifests,
    try_name,
)
from airflow_provider_openesg.lake.partitions import PARTITIONED, ByTemplate
from airflow_provider_openesg.lake.storage import Lake, LakeFile
from airflow_provider_openesg.runs import UPDATED_AFTER, CompletedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_provider_openesg.lake import FileFormat, PartitionBy
    from airflow_provider_openesg.runs import Run

HELD_BYTES = 128 * 1024 * 1024
"""Maximum size of the row groups of all open files that are kept in memory."""


@dataclass(slots=True)
class _Open:
    table: str
    path: str
    output: LakeFile
    file: TableFile
    rows: int = 0


class FileRunWriter:
    """Write a run as files, one per table and partition. See :mod:`airflow_provider_openesg.lake.manifest`.

    :param path: an ``ObjectStoragePath``, or anything that :func:`fsspec.url_to_fs` accepts.
    :param tables: names of the tables.
    :param file_format: one of :data:`airflow_provider_openesg.lake.FILE_FORMATS`.
    :param run: run that the files belong to.
    :param partition_by: one of :data:`airflow_provider_openesg.lake.PARTITIONS`; by default no partitions.
    :param part: whether another task commits the run; this task then writes the manifest of a part.
    :param keep_runs: see :func:`airflow_provider_openesg.lake.commit.remove_old_runs`; by default all are kept.
    """

    def __init__(
        self,
        path: Any,
        tables: Sequence[str],
        file_format: FileFormat,
        run: Run,
        *,
        partition_by: PartitionBy | None = None,
        part: bool = False,
        keep_runs: int | None = None,
    ) -> None:
        self._tables = tables
        self._partitioned = PARTITIONED if partition_by else ()
        self._templates = ByTemplate()
        needed = {"report_templates"} if {*tables} & {*self._partitioned} else set()
        self.pulls: Sequence[str] = [*(needed - {*tables}), *tables]
        self._path = path
        self._lake = Lake(path)
        self._format = file_format
        self._run = run
        self._part = part
        self._keep_runs = keep_runs
        # Each try has its own file names: a try that is still alive cannot write into the files of its retry.
        self._try = try_name(run.started_at, run.token)
        self._schemas: dict[str, pa.Schema] = {}
        self._open: dict[str, _Open] = {}
        self._written: list[str] = []
        self._committing = False

    def check(self) -> None:
        """Check that the path can be listed, read and written.

        :raises OpenESGConfigError: if it cannot, or if the manifest of this run is a foreign file.
        """
        write_test = f"{WRITE_TESTS}/{self._try}"
        try:
            self._lake.put(write_test, b"")
            self._lake.names(WRITE_TESTS)
            self._lake.get(manifest_path(RUNS, self._run.token))
            self._lake.remove([write_test])
        except Exception as error:  # stores have their own error classes, not all of them OSError
            raise OpenESGConfigError(
                f"{self._lake.failure(error)} Use a path that the worker's user can read and write. In an object"
                " store, the bucket must exist, and the Connection (object_storage_conn_id, or"
                " s3://connection@bucket/…) needs permission to list, read, write and delete."
            ) from error

    def run_history(self) -> list[CompletedRun]:
        """Return the committed runs of this series whose files still exist."""
        existing = {path for table in self._tables for path in self._lake.find(table)}
        return [
            _completed_run(manifest)
            for whole in read_manifests(self._path)
            for manifest in (whole, *whole.parts)
            if manifest.series == self._run.series
            and all(table in manifest.tables for table in self._tables)
            and all(file.path in existing for table in self._tables for file in manifest.tables[table].files)
        ]

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Write a batch to the table's files.

        :raises OpenESGError: if the store rejects it.
        """
        if table == "report_templates":
            self._templates.learn(batch)
        if table not in self._tables:
            return
        with self._store_errors():
            if table in self._partitioned:
                for folder, rows in self._templates.split(batch):
                    self._write(table, f"{table}/{folder}", rows)
            else:
                self._write(table, table, batch)

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Complete the files, then write the manifest: it commits the run and replaces earlier tries.

        :raises OpenESGError: if the store rejects it, or if a later try has already committed the run.
        """
        tables = {name: ManifestTable(0, columns_of(schema), []) for name, schema in self._schemas.items()}
        with self._store_errors():
            for folder, target in list(self._open.items()):
                file, table = self._finish(folder), tables[target.table]
                tables[target.table] = ManifestTable(table.rows + file.rows, table.columns, [*table.files, file])
            manifest = Manifest.of(self._run, file_format=self._format, high_water_mark=high_water_mark, tables=tables)
            manifests = PARTS if self._part else RUNS
            path = manifest_path(manifests, manifest.run)
            replaced = read_replaced(self._lake, manifests, manifest)
            # If writing the manifest fails, it may exist all the same. close() must not remove its files any more.
            self._committing = True
            if self._part:
                self._lake.put(path, manifest.encode())
            else:
                commit(self._lake, manifest, replaced, self._keep_runs)
        return {"path": self._lake.url(), "part" if self._part else "manifest": self._lake.url(path)}

    def close(self) -> None:
        """Discard all files that were not committed."""
        for target in self._open.values():
            with contextlib.suppress(Exception):
                target.file.close()
            target.output.abandon()
        if not self._committing:
            with contextlib.suppress(Exception):
                self._lake.remove(self._written)
        self._open = {}

    @contextlib.contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OpenESGError(f"{self._lake.failure(error)} Nothing of this try is committed.") from error

    def _write(self, table: str, folder: str, batch: pa.RecordBatch) -> None:
        target = self._open.get(folder) or self._start(table, folder, batch.schema)
        target.file.write(batch)
        target.rows += batch.num_rows
        if sum(each.file.held_bytes for each in self._open.values()) > HELD_BYTES:
            max(self._open.values(), key=lambda each: each.file.held_bytes).file.flush()

    def _start(self, table: str, folder: str, schema: pa.Schema) -> _Open:
        run = self._run
        provenance = {
            "openesg.api_url": run.api_url,
            "openesg.run": run.token,
            "openesg.run_id": run.run_id,
            "openesg.started_at": run.started_at.isoformat(),
            "openesg.package_version": __version__,
            "openesg.selection": json.dumps(run.selection, default=str),
        }
        schema = schema.with_metadata({**(schema.metadata or {}), **provenance})
        self._schemas[table] = schema
        path = f"{folder}/{self._try}.{self._format}"
        output = self._lake.open(path)
        self._open[folder] = _Open(table, path, output, OPENERS[self._format](output.handle, schema))
        return self._open[folder]

    def _finish(self, folder: str) -> ManifestFile:
        target = self._open[folder]
        target.file.close()
        size = target.output.finish()
        del self._open[folder]
        self._written.append(target.path)
        return ManifestFile(path=target.path, rows=target.rows, bytes=size)


def _completed_run(manifest: Manifest) -> CompletedRun:
    after = manifest.selection.get(UPDATED_AFTER)
    return CompletedRun(
        manifest.run,
        after and datetime.fromisoformat(after),
        manifest.high_water_mark,
        manifest.started_at,
        manifest.committed_at,
    )
