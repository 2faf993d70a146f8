"""What was committed: one manifest per run, and the reader that goes by it.

::

    {path}/{table}/{run}-{attempt}.parquet      data of committed runs
    {path}/_openesg/runs/{run}.json             the manifest: written last, in one piece
    {path}/_openesg/uncommitted/{run}/…         data of runs that go on, or died

A reader that goes by the manifests sees whole runs only. One that lists ``{path}/{table}/*.parquet`` does too, but for
the moment of the commit itself, in which a run's files get their names one after the other.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

RUNS = "_openesg/runs"
UNCOMMITTED = "_openesg/uncommitted"
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
    """A committed run.

    :param high_water_mark: time up to which every change was seen; ``updated_after`` of the next run.
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
    root: str = ""

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
    fs, root = filesystem_of(path)
    fs.invalidate_cache()
    try:
        names = [name for name in fs.ls(f"{root}/{RUNS}", detail=False) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    return sorted((read_one(fs, root, name) for name in names), key=lambda manifest: manifest.committed_at)


def read_manifest(path: Any) -> Manifest:
    """Read the run that was committed last below ``path``.

    :raises OpenESGConfigError: where there is none.
    """
    manifests = read_manifests(path)
    if not manifests:
        raise OpenESGConfigError(f"path {str(path)!r}: no committed run of OpenESGToObjectStorageOperator there.")
    return manifests[-1]


def read_one(fs: AbstractFileSystem, root: str, name: str) -> Manifest:
    """Read one manifest by its full name.

    :raises OpenESGConfigError: where it is not one of ours.
    """
    try:
        manifest = msgspec.json.decode(fs.cat_file(name), type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise OpenESGConfigError(f"{name}: not a manifest of this package ({error}).") from error
    if manifest.format != MANIFEST_FORMAT:
        raise OpenESGConfigError(
            f"{name}: manifest format {manifest.format}; this version reads {MANIFEST_FORMAT}. Upgrade the package."
        )
    local = "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)
    return msgspec.structs.replace(manifest, root=root if local else fs.unstrip_protocol(root))


def filesystem_of(path: Any) -> tuple[AbstractFileSystem, str]:
    """Split a path, a URL or an ``ObjectStoragePath`` into its file system and the path in it."""
    import fsspec

    fs, root = (path.fs, path.path) if hasattr(path, "fs") else fsspec.url_to_fs(str(path))
    return fs, root.rstrip("/")


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
