"""Base class of the transfers: what to read, the checks of its parameters, and how a run proceeds."""

from __future__ import annotations

import time
import uuid
from abc import abstractmethod
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AssetAlias, BaseOperator

from airflow_provider_openesg.filters import check_filters, plain_filters
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.parameters import (
    LAST_RUN,
    ON_FORBIDDEN,
    check_boolean,
    check_choice,
    check_names,
    check_shape,
    check_templates,
    is_template,
    read_updated_after,
)
from airflow_provider_openesg.tables import TABLES, filtered_lists, require_pyarrow
from airflow_provider_openesg.utils.openlineage import TransferLineage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.parameters import OnForbidden, Shape
    from airflow_provider_openesg.runs import Run, RunWriter
    from airflow_provider_openesg.tables.layout import Table
    from airflow_provider_openesg.tables.lists import Batches
    from airflow_provider_openesg.utils.openlineage import Place


MAX_LISTED = 1000
"""Maximum number of entries of a list in the XCom."""

BATCHES_AHEAD = 8
"""Batches that are prefetched: about as many as are read while one row group is written."""


class OpenESGTransferOperator(BaseOperator):
    """Read tables from the platform and pass them to a writer. Base class of the transfer operators.

    :param tables: names in :data:`airflow_provider_openesg.tables.TABLES`; all by default. Not with ``shape="wide"``.
    :param templates: ids or keys of report templates, such as ``["vsme"]``; all by default. (templated)
    :param updated_after: only reports and requests that changed later. ``"last_run"`` continues after the last
        committed run of this task; otherwise a time in ISO 8601 (UTC by default) or a ``datetime``. ``None`` and values
        that render to nothing, such as ``{{ prev_data_interval_end_success }}`` in the first run, mean everything.
        (templated)
    :param filters: filters of reports, such as ``{"customer_identifier": "4711"}``. (templated)
    :param shape: ``tidy``: one row per field value; ``wide``: one row per report and one column per field key of the
        only template in ``templates``, see :mod:`airflow_provider_openesg.tables.wide`.
    :param on_forbidden: if this client may not read a single record (403): ``keep`` what its list has, and count and
        name it in the log and the result; or ``fail``.
    :param strict: whether a difference of the platform that is not recognized is an error, and nothing is written; also
        if *Strict* is set in the Connection.
    :param openesg_conn_id: id of a Connection of type ``openesg``. (templated)
    """

    template_fields: Sequence[str] = ("templates", "updated_after", "filters", "openesg_conn_id")
    ui_color = "#dcefdc"
    emits_assets = True

    def __init__(
        self,
        *,
        tables: Sequence[str] | None = None,
        templates: Sequence[str | int] | None = None,
        updated_after: str | date | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: Shape = "tidy",
        on_forbidden: OnForbidden = "keep",
        strict: bool = False,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.templates = templates
        self.updated_after = updated_after
        self.filters = filters
        self.shape = shape
        self.on_forbidden = on_forbidden
        self.strict = strict
        self.openesg_conn_id = openesg_conn_id
        self._lineage: TransferLineage | None = None
        # The names of the assets are known only after the run.
        self.outlets = [*self.outlets, AssetAlias(name=f"{self.dag_id}.{self.task_id}")]
        check_shape(shape, tables=tables)
        check_choice("on_forbidden", on_forbidden, ON_FORBIDDEN)
        check_boolean("strict", strict)
        if tables is not None:
            check_names("tables", tables, TABLES)
        self._check_selection()

    def execute(self, context: Context) -> dict[str, Any]:
        """Read and write one run. It is committed completely or not at all.

        :return: ``run``, ``tables`` (rows of each), ``malformed_values`` (number of values that do not fit their data
            type), ``differences`` (texts about what the platform does differently and is not recognized),
            ``forbidden`` (ids of records that this client may not read), both at most 1,000, ``high_water_mark``
            (``updated_after`` of the next run), and the location of the result.
        """
        # Here and below, imports are in the methods that run in the task, so that a DAG file is parsed fast.
        from airflow_provider_openesg.client.parallel import read_ahead
        from airflow_provider_openesg.tables.summary import Summary

        self._check_selection()
        started = time.monotonic()
        with OpenESGHook(self.openesg_conn_id) as hook:
            client = hook.client
            client.on_forbidden = self.on_forbidden
            client.differences.strict |= self.strict
            tables, pull = self._source(hook)
            run = self._run(context, hook.settings.api_url, tables)
            summary = Summary()
            lineage = TransferLineage(hook, self.templates)
            with closing(self.open_writer(tables, run)) as writer:
                writer.check()
                updated_after = self._set_updated_after(run, writer)
                batches = pull(writer.pulls, updated_after=updated_after, filters=self.filters, summary=summary)
                # Compression releases the GIL, so the next batches are read at the same time.
                with closing(read_ahead(lineage.counted(batches), BATCHES_AHEAD)) as read:
                    for table, batch in read:
                        writer.write(table, batch)
                high_water_mark = run.high_water_mark(summary.high_water_mark, updated_after)
                location = writer.commit(high_water_mark)
        rows = {table.name: summary.rows[table.name] for table in tables}
        places = {table: self.place_of(table, location) for table in rows}
        lineage.emit(places, run.token, context, self.outlets[-1] if self.emits_assets else None)
        self._lineage = lineage
        counts = ", ".join(f"{table} {count:,}" for table, count in rows.items())
        where = ", ".join(f"{name} {value}" for name, value in location.items())
        self.log.info("Wrote %s in %.1f s: %s", counts, time.monotonic() - started, where)
        return {
            "run": run.token,
            "tables": rows,
            "malformed_values": summary.malformed.total(),
            "differences": list(client.differences.texts)[:MAX_LISTED],
            "forbidden": list(dict.fromkeys(client.forbidden))[:MAX_LISTED],
            "high_water_mark": None if high_water_mark is None else high_water_mark.isoformat(),
            **location,
        }

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return what was read and written. Called by the OpenLineage provider."""
        return None if self._lineage is None else self._lineage.facets()

    @abstractmethod
    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Return the writer of this transfer, after checking the rendered parameters."""

    @abstractmethod
    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return the location of a table.

        :param written: result of the writer's ``commit``.
        """

    def _source(self, hook: OpenESGHook) -> tuple[Sequence[Table], Callable[..., Batches]]:
        """Return the selected tables, and the function that reads those that the writer needs."""
        with require_pyarrow():
            from airflow_provider_openesg.tables.layout import tidy
        if self.shape == "wide":
            wide = hook.wide_tables(self.templates)
            return wide.tables, lambda _, **selection: wide.batches(hook.client, **selection)
        names = [table for table in TABLES if self.tables is None or table in self.tables]
        return [*map(tidy, names)], partial(hook.iter_tables, templates=self.templates)

    def _check_selection(self) -> None:
        """Check all values that are known already; the others are checked after they are rendered."""
        if not is_template(self.templates):
            check_templates(self.templates, shape=self.shape)
        if not is_template(self.updated_after):
            read_updated_after(self.updated_after, last_run=True)
        if self.filters is not None and not is_template(self.filters):
            check_filters(self.filters, filtered_lists(self.tables), templates=self.templates)

    def _set_updated_after(self, run: Run, writer: RunWriter) -> datetime | None:
        """Return the time after which changes are read, and log it."""
        from airflow_provider_openesg.runs import next_updated_after

        after = read_updated_after(self.updated_after, last_run=True)
        if after == LAST_RUN:
            after = next_updated_after(writer.run_history(), run.token)
            if after is None:
                self.log.info("updated_after: no earlier run of this task with this selection: reading everything")
        if after is not None:
            self.log.info("updated_after: reading changes after %s", after.isoformat())
            if after > run.started_at:
                self.log.warning(
                    "updated_after: %s is in the future, so nothing will be read. Check its time zone.",
                    after.isoformat(),
                )
        run.set_updated_after(after)
        return after

    def _run(self, context: Context, api_url: str, tables: Sequence[Table]) -> Run:
        from airflow_provider_openesg.runs import Run

        selection = {
            "shape": self.shape,
            "tables": [table.name for table in tables],
            "templates": None if self.templates is None else sorted(self.templates, key=str),
            "filters": None if self.filters is None else plain_filters(self.filters),
        }
        task = context.get("ti")
        # Without a task instance there are no retries, so each call is a run.
        run_id, map_index = (task.run_id, task.map_index) if task else (f"manual-{uuid.uuid4()}", -1)
        dag_id = task.dag_id if task else "manual"
        return Run(dag_id, self.task_id, str(run_id), -1 if map_index is None else map_index, api_url, selection)
