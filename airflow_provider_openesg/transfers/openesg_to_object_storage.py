"""OpenESGToObjectStorageOperator: tables to files; OpenESGCommitRunOperator: what several tasks wrote, as one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowNotFoundException,
    AirflowSkipException,
    AssetAlias,
    BaseHook,
    BaseOperator,
)

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake import FILE_FORMATS, PARTITIONS
from airflow_provider_openesg.parameters import check_choice
from airflow_provider_openesg.transfers.base import OpenESGTransferOperator
from airflow_provider_openesg.utils.openlineage import Place, add_events

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_openesg.runs import Run, RunWriter
    from airflow_provider_openesg.tables.layout import Table

_PROVIDERS = {
    **dict.fromkeys(("s3", "s3a"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}
_WHOLE_SETS = ("all_success", "none_failed", "none_failed_min_one_success", "none_skipped")


class OpenESGToObjectStorageOperator(OpenESGTransferOperator):
    """Writes tidy tables of the openESG platform as files, on local disk or in an object store.

    Files stand in ``{path}/{table}/`` and count once the run's manifest ``{path}/_openesg/runs/{run}.json`` names them:
    :func:`airflow_provider_openesg.lake.manifest.read_manifest` reads it. A retry replaces the files of its own run;
    other DAG runs, and other mapped tasks, keep theirs.

    :param path: directory, as ``ObjectStoragePath`` takes it: ``/data/esg``, ``s3://bucket/esg``. (templated)
    :param file_format: ``parquet`` (ZSTD), ``jsonl`` or ``csv``.
    :param partition_by: ``template`` writes ``report_requests``, ``reports`` and ``field_values`` into a directory per
        template, ``template=vsme/``, by its key.
    :param commit: ``False``: what is written is a part of a run, which counts once :class:`OpenESGCommitRunOperator`
        has committed it.
    :param keep_runs: after the commit, remove this task's runs but for the last ``keep_runs`` that pulled everything
        and what came after them; none where it is not given.
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
        partition_by: str | None = None,
        commit: bool = True,
        keep_runs: int | None = None,
        object_storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.file_format = file_format
        self.partition_by = partition_by
        self.commit = commit
        self.keep_runs = keep_runs
        self.object_storage_conn_id = object_storage_conn_id
        _check_path(path)
        check_choice("file_format", file_format, FILE_FORMATS)
        if partition_by is not None:
            check_choice("partition_by", partition_by, PARTITIONS)
            if self.shape == "wide":
                raise OpenESGConfigError("partition_by: given with shape 'wide', whose tables are of one template.")
        _check_keep_runs(keep_runs)
        if keep_runs is not None and not commit:
            raise OpenESGConfigError("keep_runs: given with commit=False; give it to the OpenESGCommitRunOperator.")
        self.emits_assets = commit  # a part counts when it is committed

    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the table's directory."""
        return Place.in_storage(written["path"], table)

    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Open the path."""
        from airflow_provider_openesg.lake.writer import FileRunWriter

        if not self.commit and run.map_index >= 0 and self.tables is None and self.shape == "tidy":
            raise OpenESGConfigError(
                "tables: all of them, in a mapped task that writes a part: each would hold the same organizations."
                " Name the tables that differ between the mapped tasks, and pull the others in a task of its own"
                " (commit=False)."
            )
        return FileRunWriter(
            _open(self.path, self.object_storage_conn_id),
            [table.name for table in tables],
            self.file_format,
            run,
            partition_by=self.partition_by,
            part=not self.commit,
            keep_runs=self.keep_runs,
        )


class OpenESGCommitRunOperator(BaseOperator):
    """Commits what several tasks wrote with ``commit=False`` as one run: readers see all of it or nothing.

    :param path: the path of those tasks. (templated)
    :param parts: what they returned: ``[organizations.output, mapped.output]``. (templated)
    :param keep_runs: as for :class:`OpenESGToObjectStorageOperator`.
    :param object_storage_conn_id: as for those tasks. (templated)
    :raises OpenESGConfigError: parts that two tasks pulled twice, that are not below ``path``, or that do not fit
        together; nothing is committed.
    """

    template_fields: Sequence[str] = ("path", "parts", "object_storage_conn_id")
    ui_color = OpenESGTransferOperator.ui_color

    def __init__(
        self,
        *,
        path: str,
        parts: Any,
        keep_runs: int | None = None,
        object_storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.parts = parts
        self.keep_runs = keep_runs
        self.object_storage_conn_id = object_storage_conn_id
        _check_path(path)
        self.outlets = [*self.outlets, AssetAlias(name=f"{self.dag_id}.{self.task_id}")]
        _check_keep_runs(keep_runs)
        check_choice("trigger_rule", str(getattr(self.trigger_rule, "value", self.trigger_rule)), _WHOLE_SETS)

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the one manifest.

        :returns: as the transfers do: ``run``, ``tables``, ``malformed_values``, ``high_water_mark``, ``path`` and
            ``manifest``.
        """
        from airflow_provider_openesg.lake.commit import commit, read_parts
        from airflow_provider_openesg.lake.parts import merge
        from airflow_provider_openesg.lake.storage import Lake

        parts = {part["run"]: part for part in _flat(self.parts)}
        if not parts:
            raise AirflowSkipException(
                "There is no part to commit: the mapped tasks had nothing to map over, or were skipped. Readers keep"
                " seeing the last run that was committed."
            )
        lake = Lake(_open(self.path, self.object_storage_conn_id))
        task = context["ti"]
        map_index = -1 if task.map_index is None else task.map_index
        manifest = merge(task.dag_id, self.task_id, str(task.run_id), map_index, read_parts(lake, list(parts)))
        path = commit(lake, manifest, self.keep_runs)
        rows = {name: table.rows for name, table in manifest.tables.items()}
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        places = {name: Place.in_storage(lake.url(), name) for name in rows}
        add_events(context, self.outlets[-1], places, rows, manifest.run)
        self.log.info("Committed %d parts as one run: %s; manifest %s", len(parts), counts, lake.url(path))
        mark = manifest.high_water_mark
        return {
            "run": manifest.run,
            "tables": rows,
            "malformed_values": sum(part["malformed_values"] for part in parts.values()),
            "high_water_mark": None if mark is None else mark.isoformat(),
            "path": lake.url(),
            "manifest": lake.url(path),
        }


def _check_path(path: Any) -> None:
    if path is None or not str(path).strip():
        raise OpenESGConfigError(f"path: {path!r} given; allowed: a directory, or one like s3://bucket/esg.")


def _check_keep_runs(keep_runs: Any) -> None:
    if keep_runs is not None and (isinstance(keep_runs, bool) or not isinstance(keep_runs, int) or keep_runs < 1):
        raise OpenESGConfigError(
            f"keep_runs: {keep_runs!r:.100} given; allowed: a whole number from 1, or None for all."
        )


def _open(path: Any, conn_id: str | None) -> ObjectStoragePath:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_openesg.lake.storage import connection_of

    _check_path(path)
    text = str(path).strip()
    try:
        # Airflow 2 would take None in place of the Connection that the path names.
        opened = ObjectStoragePath(text, **({"conn_id": conn_id} if conn_id else {}))
        if connection := connection_of(opened):
            # One that is not there, Amazon's provider takes for none: it would go on without credentials.
            BaseHook.get_connection(connection)
        opened.fs  # noqa: B018 - this is where the provider is looked up
    except AirflowNotFoundException as error:
        raise OpenESGConfigError(
            f"path {text!r}: its Connection is not there ({error}). It is named by object_storage_conn_id, or before"
            " the @ of the path."
        ) from error
    except (ValueError, ImportError) as error:
        scheme = text.partition("://")[0] if "://" in text else "file"
        provider = _PROVIDERS.get(scheme)
        hint = f"{scheme}:// needs {provider}" if provider else f"Known: a directory, {', '.join(_PROVIDERS)}"
        raise OpenESGConfigError(f"path {text!r}: cannot be opened ({error}). {hint}.") from error
    return opened


def _flat(parts: Any) -> Iterator[dict[str, Any]]:
    """Give what the tasks returned: a task gives one, a mapped task a sequence."""
    if isinstance(parts, dict) and "part" in parts:
        yield parts
    elif parts is None:
        return  # of a task that was skipped
    elif isinstance(parts, dict | str) or not hasattr(parts, "__iter__"):
        raise OpenESGConfigError(
            f"parts: {parts!r:.100} in it; allowed: what tasks with commit=False returned, such as [part.output]."
        )
    else:
        for part in parts:
            yield from _flat(part)
