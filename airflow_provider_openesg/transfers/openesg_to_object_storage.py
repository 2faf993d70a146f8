"""OpenESGToObjectStorageOperator: tables to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lineage import Place
from airflow_provider_openesg.operators.checks import check_choice
from airflow_provider_openesg.transfers.base import OpenESGTransferOperator
from airflow_provider_openesg.writers import FILE_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_openesg.tables.layout import Table
    from airflow_provider_openesg.writers.run import Run, RunWriter


class OpenESGToObjectStorageOperator(OpenESGTransferOperator):
    """Writes tidy tables of the openESG platform as files, on local disk or in an object store.

    Files stand at ``{path}/{table}/{run}-….parquet`` and count once the run's manifest
    ``{path}/_openesg/runs/{run}.json`` is written: :func:`airflow_provider_openesg.writers.manifest.read_manifest`
    reads it. A retry replaces its own files; other DAG runs, and other mapped tasks, keep theirs.

    :param path: directory, as ``ObjectStoragePath`` takes it: ``/data/esg``, ``s3://bucket/esg``. (templated)
    :param file_format: ``parquet`` (ZSTD), ``jsonl`` or ``csv``.
    :param object_storage_conn_id: Connection of the object store; none for local disk, or where the path names it.
        (templated)

    The others are those of :class:`~airflow_provider_openesg.transfers.base.OpenESGTransferOperator`: ``tables``,
    ``templates``, ``updated_after``, ``filters``, ``shape``, ``openesg_conn_id``.

    :raises OpenESGConfigError: a parameter that cannot be used, or a path that cannot be written; before anything is
        pulled.
    """

    template_fields: Sequence[str] = ("path", "object_storage_conn_id", *OpenESGTransferOperator.template_fields)

    def __init__(
        self,
        *,
        path: str,
        file_format: str = "parquet",
        object_storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.object_storage_conn_id = object_storage_conn_id
        check_choice("file_format", file_format, FILE_FORMATS)

    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the table's directory."""
        return Place.in_storage(written["path"], table)

    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Open the path."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_openesg.writers.files import FileRunWriter

        text = str(self.path).strip()
        if not text or self.path is None:
            raise OpenESGConfigError(f"path: {self.path!r} given; allowed: a directory, or one like s3://bucket/esg.")
        try:
            path = ObjectStoragePath(text, conn_id=self.object_storage_conn_id)
            return FileRunWriter(path, [table.name for table in tables], self.file_format, run)
        except (ValueError, ImportError) as error:
            raise OpenESGConfigError(
                f"path {text!r}: cannot be opened ({error}). The scheme of a store comes with its provider, such as"
                " apache-airflow-providers-amazon[s3fs] for s3://."
            ) from error
