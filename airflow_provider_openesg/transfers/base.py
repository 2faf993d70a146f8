"""What both transfers share: what to pull, its checks, and the course of a run."""

from __future__ import annotations

import time
import uuid
from abc import abstractmethod
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AssetAlias, BaseOperator

from airflow_provider_openesg.client.parallel import ahead
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.parameters import (
    LAST_RUN,
    check_choice,
    check_filters,
    check_list,
    check_names,
    is_template,
    plain_filters,
    read_updated_after,
)
from airflow_provider_openesg.runs import Run, seen_up_to
from airflow_provider_openesg.tables import SHAPES, TABLES, pyarrow_needed
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.utils.openlineage import TransferLineage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_openesg.runs import RunWriter
    from airflow_provider_openesg.tables.layout import Table
    from airflow_provider_openesg.tables.lists import Batches
    from airflow_provider_openesg.utils.openlineage import Place


BATCHES_AHEAD = 8
"""Batches that may wait to be written: about as many as are read while a row group is."""


class OpenESGTransferOperator(BaseOperator):
    """Pulls tidy tables of the platform and gives them to a writer. Use one of its subclasses.

    :param tables: names of :data:`airflow_provider_openesg.tables.TABLES`; all where None. Not with ``shape="wide"``.
    :param templates: ids or keys of report templates, such as ``["vsme"]``; all where None. (templated)
    :param updated_after: only reports and requests that changed later: ``"last_run"`` goes on from what this task has
        brought to its target so far; else a time in ISO 8601 (UTC where it names no zone) or a ``datetime``. What
        renders to nothing, such as ``{{ prev_data_interval_end_success }}`` on the first run, means all. (templated)
    :param filters: what reports are filtered by, such as ``{"customer_identifier": "4711"}``. (templated)
    :param shape: ``tidy``: a row per field value; ``wide``: a row per report and a column per field key of the one
        template that ``templates`` names, see :mod:`airflow_provider_openesg.tables.wide`.
    :param openesg_conn_id: Connection of type ``openesg``. (templated)
    """

    template_fields: Sequence[str] = ("templates", "updated_after", "filters", "openesg_conn_id")
    ui_color = "#dcefdc"
    emits_assets = True

    def __init__(
        self,
        *,
        tables: Sequence[str] | None = None,
        templates: Sequence[str | int] | None = None,
        updated_after: str | datetime | None = None,
        filters: Mapping[str, Any] | None = None,
        shape: str = "tidy",
        openesg_conn_id: str = OpenESGHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.templates = templates
        self.updated_after = updated_after
        self.filters = filters
        self.shape = shape
        self.openesg_conn_id = openesg_conn_id
        self._lineage: TransferLineage | None = None
        # What is written, and where, is only known in the end.
        self.outlets = [*self.outlets, AssetAlias(name=f"{self.dag_id}.{self.task_id}")]
        if tables is not None:
            check_names("tables", tables, TABLES)
        check_choice("shape", shape, SHAPES)
        if shape == "wide" and tables is not None:
            raise OpenESGConfigError("tables: given with shape 'wide', which makes them of the template: leave it out.")
        self._check_selection(lambda value: value is not None and not is_template(value))

    def execute(self, context: Context) -> dict[str, Any]:
        """Pull and write; the result counts as a whole or not at all.

        :returns: ``run``, ``tables`` (rows of each), ``malformed_values`` (not readable as their data type),
            ``high_water_mark`` (``updated_after`` of the next run), and where it was written.
        """
        self._check_selection(lambda value: value is not None)
        started = time.monotonic()
        with OpenESGHook(self.openesg_conn_id) as hook:
            tables, pull = self._source(hook)
            run = self._run(context, hook.settings.api_url, tables)
            summary = Summary()
            lineage = TransferLineage(hook, self.templates)
            with closing(self.open_writer(tables, run)) as writer:
                writer.check()
                updated_after = self._begin(run, writer)
                batches = pull(writer.pulls, updated_after=updated_after, filters=self.filters, summary=summary)
                # Writing compresses, which needs no interpreter: the other core can read meanwhile.
                with closing(ahead(lineage.counted(batches), BATCHES_AHEAD)) as read:
                    for table, batch in read:
                        writer.write(table, batch)
                mark = run.high_water_mark(summary.high_water_mark, updated_after)
                written = writer.commit(mark)
        rows = {table.name: summary.rows[table.name] for table in tables}
        counts = ", ".join(f"{table} {count:,}" for table, count in rows.items())
        places = {table: self.place_of(table, written) for table in rows}
        lineage.emit(places, run.token, context, self.outlets[-1] if self.emits_assets else None)
        self._lineage = lineage
        where = ", ".join(f"{name} {value}" for name, value in written.items())
        self.log.info("Wrote %s in %.1f s: %s", counts, time.monotonic() - started, where)
        return {
            "run": run.token,
            "tables": rows,
            "malformed_values": summary.malformed.total(),
            "high_water_mark": None if mark is None else mark.isoformat(),
            **written,
        }

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - OpenLineage's signature
        """Return what was read and written; OpenLineage's provider calls it."""
        return None if self._lineage is None else self._lineage.facets()

    @abstractmethod
    def open_writer(self, tables: Sequence[Table], run: Run) -> RunWriter:
        """Make the writer of this transfer; the rendered parameters are checked here."""

    @abstractmethod
    def place_of(self, table: str, written: Mapping[str, Any]) -> Place:
        """Return where a table is.

        :param written: what the writer's ``commit`` said.
        """

    def _source(self, hook: OpenESGHook) -> tuple[Sequence[Table], Callable[..., Batches]]:
        """Return the tables that are asked for, and what reads them, given the tidy ones that the writer needs."""
        with pyarrow_needed():
            from airflow_provider_openesg.tables.layout import tidy
        if self.shape == "wide":
            wide = hook.wide_tables(self.templates)
            return wide.tables, lambda _, **selection: wide.batches(hook.client, **selection)
        names = [table for table in TABLES if self.tables is None or table in self.tables]
        return [*map(tidy, names)], partial(hook.iter_tables, templates=self.templates)

    def _check_selection(self, known: Any) -> None:
        if known(self.templates):
            check_list("templates", self.templates)
        if (
            self.shape == "wide"
            and (known(self.templates) or self.templates is None)
            and len(self.templates or ()) != 1
        ):
            raise OpenESGConfigError(
                f"templates: {self.templates!r:.100} given; with shape 'wide', name exactly one, such as ['vsme']: its"
                " field keys become columns. Pull others by tasks of their own."
            )
        if known(self.updated_after):
            read_updated_after(self.updated_after, last_run=True)
        if known(self.filters):
            check_filters(self.filters)

    def _begin(self, run: Run, writer: RunWriter) -> datetime | None:
        """Find out from which time on changes are read, and say so."""
        after = read_updated_after(self.updated_after, last_run=True)
        if after == LAST_RUN:
            after = seen_up_to(writer.run_history(), run.token)
            if after is None:
                self.log.info("updated_after: no earlier run of this task for this selection is there: reading all")
        if after is not None:
            self.log.info("updated_after: reading what changed after %s", after.isoformat())
            if after > run.started_at:
                self.log.warning(
                    "updated_after: %s lies in the future: nothing has changed after it. Is its time zone right?",
                    after.isoformat(),
                )
        run.begin_after(after)
        return after

    def _run(self, context: Context, api_url: str, tables: Sequence[Table]) -> Run:
        selection = {
            "shape": self.shape,
            "tables": [table.name for table in tables],
            "templates": None if self.templates is None else sorted(self.templates, key=str),
            "filters": None if self.filters is None else plain_filters(self.filters),
        }
        task = context.get("ti")
        # Called by hand, outside of a task instance, no try knows of another: each is a run of its own.
        run_id, map_index = (task.run_id, task.map_index) if task else (f"manual-{uuid.uuid4()}", -1)
        dag_id = task.dag_id if task else "manual"
        return Run(dag_id, self.task_id, str(run_id), -1 if map_index is None else map_index, api_url, selection)
