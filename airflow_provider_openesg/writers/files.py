"""A run into files: written where no reader looks, named when complete, counted once its manifest stands."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from airflow_provider_openesg import __version__
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.writers.formats import OPENERS, TableFile
from airflow_provider_openesg.writers.manifest import (
    MANIFEST_FORMAT,
    RUNS,
    UNCOMMITTED,
    Manifest,
    ManifestFile,
    ManifestTable,
    columns_of,
    filesystem_of,
    read_manifests,
)
from airflow_provider_openesg.writers.run import UPDATED_AFTER, PastRun, series_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_provider_openesg.writers.run import Run


log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    path: str
    handle: BinaryIO
    file: TableFile
    schema: pa.Schema
    rows: int = 0


class FileRunWriter:
    """A run into ``path``, one file per table. See :mod:`airflow_provider_openesg.writers.manifest` for the layout.

    :param path: an ``ObjectStoragePath``, or whatever :func:`fsspec.url_to_fs` takes.
    :param tables: tables that will come.
    :param file_format: one of :data:`airflow_provider_openesg.writers.FILE_FORMATS`.
    """

    def __init__(self, path: Any, tables: Sequence[str], file_format: str, run: Run) -> None:
        self.pulls = tables
        self._path = path
        self._fs, self._root = filesystem_of(path)
        self._format = file_format
        self._run = run
        # Each try has names of its own: one that lives on beside its retry cannot write into the other's files.
        self._attempt = uuid.uuid4().hex[:8]
        self._tries = f"{self._root}/{UNCOMMITTED}/{run.token}"
        self._hidden = f"{self._tries}/{self._attempt}"
        self._open: dict[str, _Open] = {}

    def check(self) -> None:
        """Clear what dead tries of this run left unfinished, and see that the path can be written.

        :raises OpenESGConfigError: where it cannot, or where a file of somebody else stands in the way.
        """
        try:
            self._remove(self._tries)
            self._fs.makedirs(f"{self._root}/{RUNS}", exist_ok=True)
            for table in self.pulls:
                self._fs.makedirs(f"{self._root}/{table}", exist_ok=True)
                self._fs.makedirs(f"{self._hidden}/{table}", exist_ok=True)
            self._fs.pipe_file(f"{self._hidden}/started", self._run.started_at.isoformat().encode())
        except OSError as error:
            raise OpenESGConfigError(
                f"path {self._root!r}: cannot be written ({error}). Give a path that the worker's user may write, or an"
                " object_storage_conn_id with the right to."
            ) from error

    def past(self) -> list[PastRun]:
        """Return the committed runs of this series whose files are there."""
        names = (name for table in self.pulls for name in self._fs.find(f"{self._root}/{table}"))
        there = {name.removeprefix(f"{self._root}/") for name in names}
        return [
            _past_run(manifest)
            for manifest in read_manifests(self._path)
            if series_of(manifest.dag_id, manifest.task_id, manifest.api_url, manifest.selection) == self._run.series
            and all(table in manifest.tables for table in self.pulls)
            and all(file.path in there for table in self.pulls for file in manifest.tables[table].files)
        ]

    def write(self, table: str, batch: pa.RecordBatch) -> None:
        """Add a batch to the table's file."""
        target = self._open.get(table) or self._start(table, batch.schema)
        target.file.write(batch)
        target.rows += batch.num_rows

    def commit(self, high_water_mark: datetime | None) -> dict[str, Any]:
        """Name the files, then write the manifest: from then on the run counts, in place of its earlier tries."""
        tables = {table: self._finish(target) for table, target in self._open.items()}
        self._open = {}
        for table in tables.values():
            for file in table.files:
                self._fs.mv(f"{self._hidden}/{file.path}", f"{self._root}/{file.path}")
        run = self._run
        manifest = Manifest(
            format=MANIFEST_FORMAT,
            run=run.token,
            dag_id=run.dag_id,
            task_id=run.task_id,
            run_id=run.run_id,
            map_index=run.map_index,
            started_at=run.started_at,
            committed_at=datetime.now(UTC),
            package_version=__version__,
            api_url=run.api_url,
            selection=dict(run.selection),
            file_format=self._format,
            high_water_mark=high_water_mark,
            tables=tables,
        )
        # Written aside and moved, so that no reader ever sees half a manifest.
        name, draft = f"{self._root}/{RUNS}/{run.token}.json", f"{self._hidden}/manifest.json"
        self._fs.pipe_file(draft, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        self._fs.mv(draft, name)
        self._drop_earlier_tries({file.path for table in tables.values() for file in table.files})
        return {"path": self._url(self._root), "manifest": self._url(name)}

    def close(self) -> None:
        """Drop what was not committed."""
        for target in self._open.values():
            # An object store makes an object of what was written so far when the handle is closed: it goes with the
            # directory.
            with contextlib.suppress(Exception):
                target.file.close()
            with contextlib.suppress(Exception):
                target.handle.close()
        self._open = {}
        with contextlib.suppress(OSError):
            self._remove(self._hidden)

    def _start(self, table: str, schema: pa.Schema) -> _Open:
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
        path = f"{table}/{run.token}-{self._attempt}.{self._format}"
        handle = self._fs.open(f"{self._hidden}/{path}", "wb")
        self._open[table] = _Open(path, handle, OPENERS[self._format](handle, schema), schema)
        return self._open[table]

    def _finish(self, target: _Open) -> ManifestTable:
        target.file.close()
        size = target.handle.tell()
        target.handle.close()
        file = ManifestFile(path=target.path, rows=target.rows, bytes=size)
        return ManifestTable(rows=target.rows, columns=columns_of(target.schema), files=[file])

    def _drop_earlier_tries(self, committed: set[str]) -> None:
        """Remove this run's files that its manifest does not name. The run counts already: failing here is no error."""
        try:
            self._fs.invalidate_cache()
            for table in {*TABLES, *self.pulls}:
                directory = f"{self._root}/{table}"
                for name in self._fs.ls(directory, detail=False) if self._fs.exists(directory) else ():
                    file = f"{table}/{name.rpartition('/')[2]}"
                    if file.startswith(f"{table}/{self._run.token}-") and file not in committed:
                        self._fs.rm_file(name)
        except OSError as error:
            log.warning(
                "Files of earlier tries of this run stay in %s (%s); no manifest names them.", self._root, error
            )

    def _remove(self, directory: str) -> None:
        if self._fs.exists(directory):
            self._fs.rm(directory, recursive=True)

    def _url(self, path: str) -> str:
        return str(self._fs.unstrip_protocol(path))


def _past_run(manifest: Manifest) -> PastRun:
    began = manifest.selection.get(UPDATED_AFTER)
    return PastRun(manifest.run, None if began is None else datetime.fromisoformat(began), manifest.high_water_mark)
