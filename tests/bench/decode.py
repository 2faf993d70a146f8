"""Measure pages of reports to Arrow on one CPU, against ``json.loads`` + ``pyarrow.Table.from_pylist``.

This package does more: it types values, joins them with their field types and keeps unknown fields. Both process the
same few pages alternately, as many as :func:`iter_tables` builds a batch from, and CPU times are compared, so that a
busy machine slows both.
Run: ``python tests/bench/decode.py [pages]``.
"""

from __future__ import annotations

import json
import operator
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import data
import pyarrow as pa

from airflow_provider_openesg.records import REPORT, SECTION
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.decoder import RecordDecoder
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 4.0
BASELINE, OURS = "json.loads + from_pylist", "ours"
LOADS, DECODING, OF_REPORTS, OF_VALUES = "  of it json.loads", "  of it decoding", "  of it reports", "  of it values"


def usual_way(body: bytes) -> pa.Table:
    """Return the table to compare with: reports with nested values."""
    return pa.Table.from_pylist(json.loads(body)["items"])


def decoded(bodies: Iterator[bytes], decoder: RecordDecoder) -> tuple[list[bytes], list[Any]]:
    """Return the pages of a batch, and their reports."""
    taken: list[bytes] = []
    rows: list[Any] = []
    for body in bodies:
        taken.append(body)
        rows += decoder.page(body).rows
        if builders.is_enough(rows):
            break
    return taken, rows


def values_of(rows: list[Any], templates: Templates, summary: Summary) -> Iterator[pa.RecordBatch]:
    """Yield the batches of the values."""
    for batch in builders.field_values(rows, templates, summary):
        yield builders.typed_values(batch, summary)


def main(pages: int) -> None:
    """Measure and print; a ratio below the target is a measurement, not an error."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    draw = random.Random(1)
    bodies = [data.page(number, draw) for number in range(pages)]
    count, size = pages * data.PAGE * data.VALUES, sum(map(len, bodies))
    templates, decoder, summary = Templates(), RecordDecoder(REPORT), Summary()
    templates.add("1", RecordDecoder(SECTION).page(data.sections()).rows)
    rounds: list[dict[str, float]] = []

    def timed(name: str, run: Callable[..., Any], *args: Any) -> Any:
        started = time.process_time()
        result = run(*args)
        if isinstance(result, Iterator):
            result = list(result)
        rounds[-1][name] = time.process_time() - started
        return result

    unknown = 0
    remaining = iter(bodies)
    while operator.length_hint(remaining):
        rounds.append({})
        taken, rows = timed(DECODING, decoded, remaining, decoder)
        reports = timed(OF_REPORTS, builders.batches, "reports", rows, summary)
        values = timed(OF_VALUES, values_of, rows, templates, summary)
        rounds[-1][OURS] = sum(rounds[-1].values())
        del rows
        timed(LOADS, map, json.loads, taken)
        baseline = timed(BASELINE, map, usual_way, taken)
        theirs = [each for table in baseline for row in table["field_values"].to_pylist() for each in row]
        ours = pa.Table.from_batches(values)
        assert (len(theirs), data.PAGE * len(taken)) == (ours.num_rows, pa.Table.from_batches(reports).num_rows)
        assert data.checksum((each["id"], each["value"]) for each in theirs) == data.checksum(
            zip(ours["id"].to_pylist(), ours["value"].to_pylist(), strict=True)
        )
        unknown += ours.num_rows - ours["extra"].null_count
        rounds[-1] = {name: seconds / ours.num_rows for name, seconds in rounds[-1].items()}
    print(f"{pages} pages, {size / 1e6:.0f} MB, {count:,} values, {unknown / count:.1%} of them with unknown fields")
    for name in (BASELINE, LOADS, OURS, DECODING, OF_REPORTS, OF_VALUES):
        median = statistics.median(round_[name] for round_ in rounds)
        print(f"{name:26} {size / count / median / 1e6:7.1f} MB/s {median * 1e9:7.0f} ns a value")
    ratio = statistics.median(round_[BASELINE] / round_[OURS] for round_ in rounds)
    verdict = "met" if ratio >= TARGET else "NOT met"
    print(f"ours is {ratio:.2f} times as fast (median); target {TARGET:.1f}: {verdict}. Rows and checksums are equal.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
