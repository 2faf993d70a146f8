"""Manifests: one file per committed run, and the functions that read them.

::

    {path}/{table}/{try}.parquet                        data; committed if a manifest names it
    {path}/{table}/template={template}/{try}.parquet    the same, partitioned
    {path}/_openesg/runs/{run}.json                     manifest of a run, written last and atomically
    {path}/_openesg/parts/{run}.json                    manifest of a part, which another task commits
    {path}/_openesg/write_tests/{try}                   empty; shows that the path can be written; removed at once

``{try}`` is the start time of the try in UTC and the run token, so file names sort by time. It is the same in all
tables.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg import __version__
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.storage import Lake, protocols
from airflow_provider_openesg.runs import series_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_openesg.runs import Run

RUNS = "_openesg/runs"
PARTS = "_openesg/parts"
WRITE_TESTS = "_openesg/write_tests"
MANIFEST_FORMAT = 1


def manifest_path(folder: str, run: str) -> str:
    """Return the path of a manifest: ``folder`` is :data:`RUNS` or :data:`PARTS`."""
    return f"{folder}/{run}.json"


def try_name(started_at: datetime, run: str) -> str:
    """Return the file name (without extension) of one try of a run; names sort by start time."""
    return f"{started_at:%Y%m%dT%H%M%S%fZ}-{run}"


def try_of(path: str) -> str:
    """Return the name of the try that wrote a file."""
    return path.rpartition("/")[2].partition(".")[0]


def run_of(path: str) -> str:
    """Return the token of the run that a file belongs to."""
    return try_of(path).partition("-")[2]


class ManifestFile(msgspec.Struct, frozen=True):
    """A data file. ``path`` is relative to the path of the transfer, so the lake can be moved or copied."""

    path: str
    rows: int
    bytes: int


class ManifestColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column of a table."""

    name: str
    type: str
    nullable: bool = True
    unit: str | None = None
    description: str | None = None


class ManifestTable(msgspec.Struct, frozen=True):
    """A table of a run."""

    rows: int
    columns: list[ManifestColumn]
    files: list[ManifestFile]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A committed run, or a part of a run.

    :param high_water_mark: time up to which every change was read; ``updated_after`` of the next run.
    :param parts: manifests of the parts, if the run was written by several tasks.
    :param removed: files that are being deleted, because the run is too old; such a run has no tables.
    :param root: location of the lake; not stored.
    """

    format: int
    run: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    started_at: datetime
    committed_at: datetime
    package_version: str
    api_url: str
    selection: dict[str, Any]
    file_format: str
    high_water_mark: datetime | None = None
    tables: dict[str, ManifestTable]
    parts: list[Manifest] = []
    removed: list[str] = []
    root: str = ""

    @classmethod
    def of(
        cls,
        run: Run,
        *,
        file_format: str,
        high_water_mark: datetime | None,
        tables: dict[str, ManifestTable],
        parts: list[Manifest] | None = None,
    ) -> Manifest:
        """Return the manifest of a run that is committed now."""
        return cls(
            format=MANIFEST_FORMAT,
            run=run.token,
            committed_at=datetime.now(UTC),
            package_version=__version__,
            **asdict(run),
            file_format=file_format,
            high_water_mark=high_water_mark,
            tables=tables,
            parts=parts or [],
        )

    @property
    def series(self) -> str:
        """Name shared by the runs that continue each other."""
        return series_of(self.dag_id, self.task_id, self.api_url, self.selection)

    @property
    def runs(self) -> set[str]:
        """Tokens of the run and its parts, which the names of its files end with."""
        return {self.run, *(part.run for part in self.parts)}

    @property
    def paths(self) -> list[str]:
        """Paths of all files, relative to the path of the transfer."""
        return [file.path for table in self.tables.values() for file in table.files]

    def encode(self) -> bytes:
        """Return the content of the manifest file."""
        return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(self, root="")), indent=1)

    def files(self, table: str) -> list[str]:
        """Return the committed files of a table, as paths or URLs.

        :raises OpenESGConfigError: if the run does not contain the table.
        """
        if table not in self.tables:
            raise OpenESGConfigError(f"table {table!r}: not in run {self.run}; it contains {', '.join(self.tables)}.")
        return [f"{self.root}/{file.path}" for file in self.tables[table].files]


def read_manifests(path: Any) -> list[Manifest]:
    """Return the committed runs in a lake, the oldest first.

    :param path: path of the transfer: a path, a URL for fsspec, or an ``ObjectStoragePath``.
    :raises OpenESGConfigError: if a file among the manifests is not a manifest.
    """
    lake = Lake(path)
    manifests = [decode(lake, name, content) for name, content in manifest_contents(lake)]
    return sorted((each for each in manifests if not each.removed), key=lambda each: each.committed_at)


def manifest_contents(lake: Lake) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file among the manifests of runs."""
    names = [lake.full(f"{RUNS}/{name}") for name in lake.names(RUNS) if name.endswith(".json")]
    # One call for all files, which object stores serve in parallel.
    contents = lake.fs.cat(names, on_error="return") if names else {}
    for name, content in contents.items():
        if isinstance(content, FileNotFoundError):
            continue  # removed after it was listed
        if isinstance(content, Exception):
            raise content
        yield name, content


def read_manifest(path: Any) -> Manifest:
    """Return the run that was committed last.

    :param path: see :func:`read_manifests`.
    :raises OpenESGConfigError: if there is no committed run.
    """
    manifests = read_manifests(path)
    if not manifests:
        raise OpenESGConfigError(
            f"path {str(path)!r}: no committed run of OpenESGToObjectStorageOperator. Check path, or run it first."
        )
    return manifests[-1]


def committed_files(path: Any, table: str) -> list[str]:
    """Return the files of a table in all committed runs, the oldest first.

    :param path: see :func:`read_manifests`.
    """
    files = [file for run in read_manifests(path) if table in run.tables for file in run.files(table)]
    return sorted(files, key=lambda file: file.rpartition("/")[2])


def decode(lake: Lake, name: str, content: bytes) -> Manifest:
    """Return a manifest.

    :raises OpenESGConfigError: if it is not a manifest of this package, or names a file outside of the lake.
    """
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise OpenESGConfigError(
            f"{name}: not a manifest of this package ({error}). Move it to another folder."
        ) from error
    if manifest.format != MANIFEST_FORMAT:
        raise OpenESGConfigError(
            f"{name}: manifest format {manifest.format}; this version reads {MANIFEST_FORMAT}. Upgrade the package."
        )
    for path in (*(path for each in (manifest, *manifest.parts) for path in each.paths), *manifest.removed):
        if path.startswith("/") or "\\" in path or {"", ".", ".."} & {*path.split("/")}:
            raise OpenESGConfigError(
                f"{name}: not a manifest of this package: {path!r} is not a file in the lake. Move the "
                "manifest to another folder."
            )
    # Readers expect a plain path for a local file and a URL for any other file.
    return msgspec.structs.replace(manifest, root=lake.root if "file" in protocols(lake.fs) else lake.url())


def columns_of(schema: Any) -> list[ManifestColumn]:
    """Return the columns of an Arrow schema."""

    def text(metadata: Mapping[bytes, bytes] | None, key: bytes) -> str | None:
        value = (metadata or {}).get(key)
        return None if value is None else value.decode()

    return [
        ManifestColumn(
            name=field.name,
            type=str(field.type),
            nullable=field.nullable,
            unit=text(field.metadata, b"unit"),
            description=text(field.metadata, b"description"),
        )
        for field in schema
    ]
