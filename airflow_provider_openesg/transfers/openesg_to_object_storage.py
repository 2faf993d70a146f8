"""OpenESGToObjectStorageOperator writes tables as files; OpenESGCommitRunOperator commits those of several tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, AssetAlias, BaseOperator

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.lake import FILE_FORMATS, PARTITIONS
from airflow_provider_openesg.parameters import check_boolean, check_choice, check_keep_runs, check_storage_path
from airflow_provider_openesg.transfers.base import MAX_LISTED, OpenESGTransferOperator
from airflow_provider_openesg.utils.object_storage import object_storage_path
from airflow_provider_openesg.utils.openlineage import Place, add_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.lake import FileFormat, PartitionBy
    from airflow_provider_openesg.parameters import OnForbidden, Shape
    from airflow_provider_openesg.runs import Run, RunWriter
    from airflow_provider_openesg.tables.layout import Table

_TRIGGER_RULES = ("all_success", "none_failed", "none_failed_min_one_success", "none_skipped")


class OpenESGToObjectStorageOperator(OpenESGTransferOperator):
    """Write tables of the openESG platform as files, on local disk or in an object store.

    Files are in ``{path}/{table}/``. They are committed when the manifest of the run,
    ``{path}/_openesg/runs/{run}.json``, names them; read it with
    :func:`airflow_provider_openesg.lake.manifest.read_manifest`. A retry replaces only the files of its run.

    :param path: local path or URL of a folder: ``/data/esg``, ``s3://bucket/esg``. (templated)
    :param tables: names in :data:`airflow_provider_openesg.tables.TABLES`; all by default. Not with ``shape="wide"``.
    :param templates: ids or keys of report templates, such as ``["vsme"]``; all by default. (templated)
    :param updated_after: only reports and requests that changed later: ``"last_run"``, a time in ISO 8601 or a
        ``datetime``; see :class:`~airflow_provider_openesg.transfers.base.OpenESGTransferOperator`. (templated)
    :param filters: filters of reports, such as ``{"customer_identifier": "4711"}``. (templated)
    :param shape: ``tidy``: one row per field value; ``wide``: one row per report.
    :param file_format: ``parquet`` (ZSTD), ``jsonl`` or ``csv``.
    :param partition_by: ``template`` writes ``report_requests``, ``reports`` and ``field_values`` into one folder per
        template key, ``template=vsme/``; ``None``: no partitions.
    :param commit: ``False`` writes a part of a run, which :class:`OpenESGCommitRunOperator` commits.
    :param keep_runs: number of complete runs of this task to keep, with all runs after them; older runs are removed
        after the commit. ``None``: keep all.
    :param object_storage_conn_id: id of the object store's Connection; ``None`` for local disk, or if the path names
        it. (templated)
    :param on_forbidden: if this client may not read a single record (403): ``keep`` what its list has, and count and
        name it in the log and the result; or ``fail``.
    :param strict: whether a difference of the platform that is not recognized is an error, and nothing is written; also
        if *Strict* is set in the Connection.
    :param openesg_conn_id: id of a Connection of type ``openesg``. (templated)

    :raises OpenESGConfigError: if a parameter is invalid or the path cannot be written; before anything is read.
    """

    template_fields: Sequence[str] = ("path", "object_storage_conn_id", *OpenESGTransferOperator.template_fields)

    def __init__(
        self,
        *,
        path: str,
        tables: Sequence[str] | None = None,
        templates: Sequence[str | int] | None = None,
        updated_after: str | date | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: Shape = "tidy",
        on_forbidden: OnForbidden = "keep",
        strict: bool = False,
        file_format: FileFormat = "parquet",
        partition_by: PartitionBy | None = None,
        commit: bool = True,
        keep_runs: int | None = None,
        object_storage_conn_id: str | None = None,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            tables=tables,
            templates=templates,
            updated_after=updated_after,
            filters=filters,
            shape=shape,
            on_forbidden=on_forbidden,
            strict=strict,
            openesg_conn_id=openesg_conn_id,
            **kwargs,
        )
        self.path = path
        self.file_format = file_format
        self.partition_by = partition_by
        self.commit = commit
        self.keep_runs = keep_runs
        self.object_storage_conn_id = object_storage_conn_id
        check_storage_path(path)
        check_choice("file_format", file_format, FILE_FORMATS)
        if partition_by is not None:
            check_choice("partition_by", partition_by, PARTITIONS)
            if shape == "wide":
                raise OpenESGConfigError(
                    "partition_by: given with shape='wide', whose tables belong to one template. Leave it out."
                )
        check_boolean("commit", commit)
        check_keep_runs(keep_runs, commit=commit)
        self.emits_assets = commit  # the task that commits the parts emits them

    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the table's folder."""
        return Place.in_storage(written["path"], table)

    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Return a writer of files."""
        from airflow_provider_openesg.lake.writer import FileRunWriter

        if not self.commit and run.map_index >= 0 and self.tables is None and self.shape == "tidy":
            raise OpenESGConfigError(
                "tables: not given in a mapped task with commit=False; every part would contain the same organizations."
                " Name the tables that differ between the mapped tasks. Read the others in a separate task with"
                " commit=False."
            )
        return FileRunWriter(
            object_storage_path(self.path, self.object_storage_conn_id),
            [table.name for table in tables],
            self.file_format,
            run,
            partition_by=self.partition_by,
            part=not self.commit,
            keep_runs=self.keep_runs,
        )


class OpenESGCommitRunOperator(BaseOperator):
    """Commit the parts that several tasks wrote with ``commit=False`` as one run. Readers see all parts or none.

    :param path: path of those tasks. (templated)
    :param parts: results of those tasks: ``[organizations.output, mapped.output]``. (templated)
    :param keep_runs: as in :class:`OpenESGToObjectStorageOperator`.
    :param object_storage_conn_id: as in those tasks. (templated)
    :raises OpenESGConfigError: if two parts may contain the same rows, a part is not in ``path``, or the parts do not
        fit together. Nothing is committed then.
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
        check_storage_path(path)
        self.outlets = [*self.outlets, AssetAlias(name=f"{self.dag_id}.{self.task_id}")]
        check_keep_runs(keep_runs)
        check_choice("trigger_rule", str(getattr(self.trigger_rule, "value", self.trigger_rule)), _TRIGGER_RULES)

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the manifest of the run.

        :return: as the transfers: ``run``, ``tables``, ``malformed_values``, ``differences``, ``forbidden``,
            ``high_water_mark``, ``path`` and ``manifest``.
        """
        from airflow_provider_openesg.lake.commit import commit, read_parts, read_replaced
        from airflow_provider_openesg.lake.manifest import RUNS
        from airflow_provider_openesg.lake.parts import merge
        from airflow_provider_openesg.lake.storage import Lake

        parts = {part["run"]: part for part in _flat(self.parts)}
        if not parts:
            raise AirflowSkipException(
                "There is no part to commit: the mapped tasks had nothing to map over, or were skipped. The last"
                " committed run stays the current one."
            )
        lake = Lake(object_storage_path(self.path, self.object_storage_conn_id))
        task = context["ti"]
        map_index = -1 if task.map_index is None else task.map_index
        manifest = merge(task.dag_id, self.task_id, str(task.run_id), map_index, read_parts(lake, list(parts)))
        path = commit(lake, manifest, read_replaced(lake, RUNS, manifest), self.keep_runs)
        rows = {name: table.rows for name, table in manifest.tables.items()}
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        places = {name: Place.in_storage(lake.url(), name) for name in rows}
        add_events(context, self.outlets[-1], places, rows, manifest.run)
        self.log.info("Committed %d parts as one run: %s; manifest %s", len(parts), counts, lake.url(path))
        high_water_mark = manifest.high_water_mark
        return {
            "run": manifest.run,
            "tables": rows,
            "malformed_values": sum(part["malformed_values"] for part in parts.values()),
            **{name: _merged(part.get(name, ()) for part in parts.values()) for name in ("differences", "forbidden")},
            "high_water_mark": None if high_water_mark is None else high_water_mark.isoformat(),
            "path": lake.url(),
            "manifest": lake.url(path),
        }


def _merged(lists: Iterable[Sequence[str]]) -> list[str]:
    """Return the different texts of several lists, in their order."""
    return list(dict.fromkeys(text for each in lists for text in each))[:MAX_LISTED]


def _flat(parts: Any) -> Iterator[dict[str, Any]]:
    """Yield the results of the tasks. A mapped task has a sequence of results."""
    if isinstance(parts, dict) and "part" in parts:
        yield parts
    elif parts is None:
        return  # the result of a skipped task
    elif isinstance(parts, dict | str) or not hasattr(parts, "__iter__"):
        raise OpenESGConfigError(
            f"parts: {parts!r:.100} given; allowed: results of tasks with commit=False, such as [part.output]."
        )
    else:
        for part in parts:
            yield from _flat(part)
