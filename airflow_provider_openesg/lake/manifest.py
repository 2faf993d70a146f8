"""What was committed: one manifest per run, and the reader that goes by it.

::

    {path}/{table}/{try}.parquet                    data: a file counts where a manifest names it
    {path}/{table}/template={template}/{try}.parquet    the same, partitioned
    {path}/_openesg/runs/{run}.json                 the manifest: written last, in one piece
    {path}/_openesg/parts/{run}.json                what a task wrote whose run another task commits
    {path}/_openesg/tries/{try}                     tries that go on, or died
    {path}/_openesg/swept/{run}.json                old runs whose files are being removed

``{try}`` begins with the time at which it began, in UTC: by their names, files stand in the order of their runs. It
is the same name in all tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg import __version__
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.storage import Lake, protocols
from airflow_provider_openesg.runs import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_openesg.runs import Run

RUNS = "_openesg/runs"
PARTS = "_openesg/parts"
TRIES = "_openesg/tries"
SWEPT = "_openesg/swept"
MANIFEST_FORMAT = 1


class ManifestFile(msgspec.Struct, frozen=True):
    """A data file; ``path`` is below the path of the transfer, so that the whole can be moved or copied."""

    path: str
    rows: int
    bytes: int


class ManifestColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column of a table as it was written."""

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
    """A committed run, or a part of one.

    :param high_water_mark: time up to which every change was seen; ``updated_after`` of the next run.
    :param parts: what the tasks say that wrote the files, where another one committed them.
    :param root: where it was read from; not stored.
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
    root: str = ""

    @classmethod
    def of(cls, run: Run, **what: Any) -> Manifest:
        """Describe a run that is committed now."""
        return cls(
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
            **what,
        )

    @property
    def series(self) -> str:
        """A name for the runs of which one goes on from the other."""
        return series_of(self.dag_id, self.task_id, self.api_url, self.selection)

    @property
    def runs(self) -> set[str]:
        """The run and those of its parts: what its files are named after."""
        return {self.run, *(part.run for part in self.parts)}

    @property
    def paths(self) -> list[str]:
        """Paths of all files, below the path of the transfer."""
        return [file.path for table in self.tables.values() for file in table.files]

    def encode(self) -> bytes:
        """Return what is stored."""
        return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(self, root="")), indent=1)

    def files(self, table: str) -> list[str]:
        """Return the committed files of a table, as paths or URLs that readers take.

        :raises OpenESGConfigError: where the run did not pull that table.
        """
        if table not in self.tables:
            raise OpenESGConfigError(f"table {table!r}: not in run {self.run}; it holds {', '.join(self.tables)}.")
        return [f"{self.root}/{file.path}" for file in self.tables[table].files]


def read_manifests(path: Any) -> list[Manifest]:
    """Read the committed runs below ``path``, the oldest first.

    :param path: where the transfer wrote to: a path, a URL that fsspec knows, or an ``ObjectStoragePath``.
    :raises OpenESGConfigError: for a file among the manifests that is none.
    """
    lake = Lake(path)
    names = [lake.full(f"{RUNS}/{name}") for name in lake.names(RUNS) if name.endswith(".json")]
    # All at once: of an object store, one after the other takes its time.
    contents = lake.fs.cat(names, on_error="return") if names else {}
    found = []
    for name, content in contents.items():
        if isinstance(content, FileNotFoundError):
            continue  # swept since it was listed
        if isinstance(content, Exception):
            raise content
        found.append(decode(lake, name, content))
    return sorted(found, key=lambda manifest: manifest.committed_at)


def read_manifest(path: Any) -> Manifest:
    """Read the run that was committed last below ``path``.

    :raises OpenESGConfigError: where there is none.
    """
    manifests = read_manifests(path)
    if not manifests:
        raise OpenESGConfigError(f"path {str(path)!r}: no committed run of OpenESGToObjectStorageOperator there.")
    return manifests[-1]


def committed_files(path: Any, table: str) -> list[str]:
    """Return the files of a table over all committed runs below ``path`` that pulled it, by time."""
    files = [file for run in read_manifests(path) if table in run.tables for file in run.files(table)]
    return sorted(files, key=lambda file: file.rpartition("/")[2])


def decode(lake: Lake, name: str, content: bytes) -> Manifest:
    """Read one manifest.

    :raises OpenESGConfigError: where it is not one of ours.
    """
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise OpenESGConfigError(f"{name}: not a manifest of this package ({error}).") from error
    if manifest.format != MANIFEST_FORMAT:
        raise OpenESGConfigError(
            f"{name}: manifest format {manifest.format}; this version reads {MANIFEST_FORMAT}. Upgrade the package."
        )
    # Readers take a path for a local file and a URL for all else.
    return msgspec.structs.replace(manifest, root=lake.root if "file" in protocols(lake.fs) else lake.url())


def columns_of(schema: Any) -> list[ManifestColumn]:
    """Describe an Arrow schema."""

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
