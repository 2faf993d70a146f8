"""The run history of a database: a table that is written in the same transaction as the others.

The first run with ``updated_after="last_run"`` creates it. The history of a table is cleared when any task creates or
replaces the table, because the rows of the earlier runs then no longer exist.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.runs import UPDATED_AFTER, CompletedRun, Run
from airflow_provider_openesg.sql.stage import StagedTable
from airflow_provider_openesg.tables.layout import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_openesg.sql.session import Session

_moment = datetime.fromisoformat


def _text(name: str, description: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, pa.string(), nullable, {"description": description})


RUNS_TABLE = Table(
    "openesg_runs",
    pa.schema(
        [
            _text("run", "Name of the run.", nullable=False),
            _text("table_name", "Table that the run wrote.", nullable=False),
            _text("series", "Same task and selection; null: cleared, because the rows no longer exist."),
            _text("dag_id", "DAG of the task."),
            _text("task_id", "The task."),
            _text("run_id", "DAG run of the task."),
            pa.field("row_count", pa.int64(), metadata={"description": "Number of rows written."}),
            _text("updated_after", "The run read changes after this time (ISO 8601); null: everything."),
            _text(
                "high_water_mark", "The run has read every change up to this time (ISO 8601); null: it read no record."
            ),
            _text("started_at", "Start of the run (ISO 8601)."),
            _text("committed_at", "Time of the commit (ISO 8601)."),
        ],
        {"description": "Runs with updated_after='last_run'. Delete rows to read everything again."},
    ),
    ("run", "table_name"),
)


def read_runs(session: Session, series: str, tables: Sequence[Table]) -> list[CompletedRun]:
    """Return the runs of a series that wrote all of these tables, if all tables exist and have rows."""
    if session.existing_table(RUNS_TABLE) is None:
        return []
    for table in tables:
        if session.existing_table(table) is None or not session.select(table, [table.key[0]], limit=1):
            return []
    wrote: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    columns = ["run", "updated_after", "high_water_mark", "started_at", "committed_at", "table_name"]
    for *of_run, table_name in session.select(RUNS_TABLE, columns, series=series):
        wrote[tuple(of_run)].add(table_name)
    return [
        CompletedRun(run, after and _moment(after), mark and _moment(mark), _moment(started_at), _moment(committed_at))
        for (run, after, mark, started_at, committed_at), names in wrote.items()
        if names >= {table.name for table in tables}
    ]


def record_run(session: Session, run: Run, rows: Mapping[str, int], high_water_mark: datetime | None) -> None:
    """Add a run to the run history.

    :param rows: table to number of rows.
    """
    values = {
        "run": run.token,
        "series": run.series,
        "dag_id": run.dag_id,
        "task_id": run.task_id,
        "run_id": run.run_id,
        "updated_after": run.selection.get(UPDATED_AFTER),
        "high_water_mark": None if high_water_mark is None else high_water_mark.isoformat(),
        "started_at": run.started_at.isoformat(),
        "committed_at": datetime.now(UTC).isoformat(),
    }
    entries = [{**values, "table_name": table, "row_count": count} for table, count in rows.items()]
    staged = StagedTable(RUNS_TABLE.name, RUNS_TABLE.schema)
    try:
        staged.write(pa.RecordBatch.from_pylist(entries, RUNS_TABLE.schema))
        staged.finish()
        session.merge(RUNS_TABLE, staged, None)
    finally:
        staged.close()


def forget_tables(session: Session, tables: Sequence[Table]) -> None:
    """Clear the run history of tables."""
    if tables and session.existing_table(RUNS_TABLE) is not None:
        for table in tables:
            session.clear(RUNS_TABLE, "series", table_name=table.name)
