"""A run into files: each is seen once it is whole, and counts once the run's manifest names it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg import __version__
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGError
from airflow_provider_openesg.lake.commit import commit, try_name
from airflow_provider_openesg.lake.formats import OPENERS, TableFile
from airflow_provider_openesg.lake.manifest import (
    PARTS,
    RUNS,
    TRIES,
    Manifest,
    ManifestFile,
    ManifestTable,
    columns_of,
    read_manifests,
)
from airflow_provider_openesg.lake.partitions import PARTITIONED, ByTemplate
from airflow_provider_openesg.lake.storage import Lake, LakeFile
from airflow_provider_openesg.runs import UPDATED_AFTER, CompletedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_provider_openesg.runs import Run

HELD_BYTES = 128 * 1024 * 1024
"""Bound on what all files of a run hold in memory until their row groups are written."""


@dataclass(slots=True)
class _Open:
    table: str
    path: str
    output: LakeFile
    file: TableFile
    rows: int = 0


class FileRunWriter:
    """A run into files, one per table and partition; :mod:`airflow_provider_openesg.lake.manifest` has the layout.

    :param path: an ``ObjectStoragePath``, or whatever :func:`fsspec.url_to_fs` takes.
    :param tables: tables that will come.
    :param file_format: one of :data:`airflow_provider_openesg.writers.FILE_FORMATS`.
    :param partition_by: one of :data:`airflow_provider_openesg.writers.PARTITIONS`.
    :param part: another task commits the run; this one says what it wrote.
    :param keep_runs: see :func:`airflow_provider_openesg.lake.commit.sweep`.
    """

    def __init__(
        self,
        path: Any,
        tables: Sequence[str],
        file_format: str,
        run: Run,
        *,
        partition_by: str | None = None,
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
        # Each try has names of its own: one that lives on beside its retry cannot write into the other's files.
        self._try = try_name(run)
        self._schemas: dict[str, pa.Schema] = {}
        self._open: dict[str, _Open] = {}
        self._written: list[str] = []
        self._committing = False

    def check(self) -> None:
        """See that the path can be listed, read and written.

        :raises OpenESGConfigError: where it cannot, or where a file of somebody else stands in the way.
        """
        try:
            self._lake.put(f"{TRIES}/{self._try}", b"")
            self._lake.names(TRIES)
            self._lake.get(f"{RUNS}/{self._run.token}.json")
        except Exception as error:  # stores have errors of their own, not all of them OSError
            raise OpenESGConfigError(
                f"{self._lake.failure(error)} Give a path that the worker's user may read and write. In an object"
                " store, the bucket has to be there, and the Connection (object_storage_conn_id, or"
                " s3://connection@bucket/…) needs the rights to list, read, write and delete."
            ) from error

    def run_history(self) -> list[CompletedRun]:
        """Return the committed runs of this series whose files are there."""
        there = {path for table in self._tables for path in self._lake.find(table)}
        return [
            _past_run(manifest)
            for manifest in self._committed()
            if manifest.series == self._run.series
            and all(table in manifest.tables for table in self._tables)
            and all(file.path in there for table in self._tables for file in manifest.tables[table].files)
        ]

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch to the table's files.

        :raises OpenESGError: where the store refuses it.
        """
        if table == "report_templates":
            self._templates.learn(batch)
        if table not in self._tables:
            return
        with self._named():
            if table in self._partitioned:
                for directory, rows in self._templates.split(batch):
                    self._write(table, f"{table}/{directory}", rows)
            else:
                self._write(table, table, batch)

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """End the files, then write the manifest: from then on the run counts, in place of its earlier tries.

        :raises OpenESGError: where the store refuses it.
        """
        with self._named():
            return self._commit(high_water_mark)

    def close(self) -> None:
        """Drop what was not committed."""
        for target in self._open.values():
            with contextlib.suppress(Exception):
                target.file.close()
            target.output.abandon()
        if not self._committing:
            with contextlib.suppress(Exception):
                self._lake.remove([*self._written, f"{TRIES}/{self._try}"])
        self._open = {}

    def _commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        tables = {name: ManifestTable(0, columns_of(schema), []) for name, schema in self._schemas.items()}
        for directory, target in list(self._open.items()):
            file, table = self._finish(directory), tables[target.table]
            tables[target.table] = ManifestTable(table.rows + file.rows, table.columns, [*table.files, file])
        manifest = Manifest.of(self._run, file_format=self._format, high_water_mark=high_water_mark, tables=tables)
        # Whatever happens from here on, the manifest may have been written: its files are not removed any more.
        self._committing = True
        if self._part:
            path = f"{PARTS}/{manifest.run}.json"
            self._lake.put(path, manifest.encode())
            return {"path": self._lake.url(), "part": self._lake.url(path)}
        return {"path": self._lake.url(), "manifest": self._lake.url(commit(self._lake, manifest, self._keep_runs))}

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OpenESGError(f"{self._lake.failure(error)} Nothing of this try counts.") from error

    def _committed(self) -> Iterator[Manifest]:
        """Give what tasks have written that counts: whole runs, and parts of them."""
        for manifest in read_manifests(self._path):
            yield manifest
            yield from manifest.parts

    def _write(self, table: str, directory: str, batch: pa.RecordBatch) -> None:
        target = self._open.get(directory) or self._start(table, directory, batch.schema)
        target.file.write(batch)
        target.rows += batch.num_rows
        if sum(each.file.held_bytes for each in self._open.values()) > HELD_BYTES:
            max(self._open.values(), key=lambda each: each.file.held_bytes).file.flush()

    def _start(self, table: str, directory: str, schema: pa.Schema) -> _Open:
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
        path = f"{directory}/{self._try}.{self._format}"
        output = self._lake.open(path)
        self._open[directory] = _Open(table, path, output, OPENERS[self._format](output.handle, schema))
        return self._open[directory]

    def _finish(self, directory: str) -> ManifestFile:
        target = self._open[directory]
        target.file.close()
        size = target.output.finish()
        del self._open[directory]
        self._written.append(target.path)
        return ManifestFile(path=target.path, rows=target.rows, bytes=size)


def _past_run(manifest: Manifest) -> CompletedRun:
    began = manifest.selection.get(UPDATED_AFTER)
    return CompletedRun(
        manifest.run,
        began and datetime.fromisoformat(began),
        manifest.high_water_mark,
        manifest.started_at,
        manifest.committed_at,
    )
