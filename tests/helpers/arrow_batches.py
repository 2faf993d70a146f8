"""Arrow batches of the tidy tables, without a platform."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from airflow_provider_openesg.runs import Run
from airflow_provider_openesg.sql.writer import SqlRunWriter
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.transfers.databases import database_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def batch(table: str, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMAS[table])


def platform(reports: range, values: int = 3, value: str = "1.50") -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield reports and their values, interleaved as when they are read from the platform."""
    yield "report_templates", batch("report_templates", [{"id": "1", "key": "vsme"}])
    for first in range(reports.start, reports.stop, 10):
        some = range(first, min(first + 10, reports.stop))
        yield "reports", batch("reports", [{"id": str(r), "template_id": "1", "updated_at": NOON} for r in some])
        yield (
            "field_values",
            batch(
                "field_values",
                [
                    {
                        "id": f"{r}-{v}",
                        "report_id": str(r),
                        "value": value,
                        "value_decimal": Decimal(value),
                        "value_complex": '{"a": "b\\"c"}',
                    }
                    for r in some
                    for v in range(values)
                ],
            ),
        )


@pytest.fixture
def make_run():
    def make(run_id: str = "scheduled__2026-01-31T00:00:00+00:00", map_index: int = -1) -> Run:
        return Run("nightly", "extract", run_id, map_index, "http://127.0.0.1/api/v1", {"templates": ["vsme"]})

    return make


@pytest.fixture
def rows():
    return batch


@pytest.fixture
def pull():
    return platform


@pytest.fixture
def load_concurrently(make_run) -> Callable[[str, int, int], None]:
    """Load reports from threads that start and commit together, each its own range, in different orders."""
    tables = ("report_templates", "reports", "field_values")

    def load_all(schema: str, loads: int, reports: int) -> None:
        failed, together = [], threading.Barrier(loads)

        def load(number: int) -> None:
            try:
                ordered = tables if number % 2 else tables[::-1]
                with closing(SqlRunWriter(database_of("warehouse", schema), ordered, "merge", make_run())) as writer:
                    together.wait()
                    writer.check()
                    for table, each in platform(range(number, number + reports), value=f"{number}.00"):
                        writer.write(table, each)
                    together.wait()
                    writer.commit(None)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=load, args=[number]) for number in range(loads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []

    return load_all
