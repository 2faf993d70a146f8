"""Pages of reports to Arrow, on one core: ours against ``json.loads`` + ``pyarrow.Table.from_pylist``.

Ours does more: it types values, joins them with their field types and keeps unknown fields. Both take turns at the same
few pages, as many as :func:`iter_tables` makes batches of at once, and processor times are compared, so that a busy
machine slows both.
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
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.joins import Templates
from airflow_provider_openesg.tables.records import RecordDecoder
from airflow_provider_openesg.tables.shapes import REPORT, SECTION
from airflow_provider_openesg.tables.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPORTS, VALUES = 100, 60
TARGET = 4.0
BASELINE, OURS = "json.loads + from_pylist", "ours"
LOADS, DECODING, OF_REPORTS, OF_VALUES = "  of it json.loads", "  of it decoding", "  of it reports", "  of it values"
DATATYPES = [
    *["decimal"] * 28,
    *["integer"] * 8,
    *["boolean"] * 7,
    *["text"] * 6,
    *["short_text"] * 6,
    *["daterange"] * 3,
    *["eu_economic_activity"] * 2,
]
TEXTS = ["Zählerstände der Standorte", "Managed by the site lead.", "n/a", "ISO 14001 seit 2019, jährlich geprüft"]


def sections() -> bytes:
    """Make the template's sections: six field types each."""
    made: list[dict[str, Any]] = []
    for number, datatype in enumerate(DATATYPES):
        if number % 6 == 0:
            made.append({"id": number // 6, "key": f"esg.vsme.s{number // 6}", "name": "Section", "field_types": []})
        metric = {"id": number, "key": datatype, "datatype": datatype, "units": [{"id": 1, "key": "kwh"}]}
        measurements = [{"id": 1, "key": "estimation"}, {"id": 2, "key": "measurement"}]
        made[-1]["field_types"].append(
            {"id": number, "key": f"esg.vsme.metric_{number}", "metric_type": metric, "measurements": measurements}
        )
    return json.dumps(made).encode()


def page(number: int, draw: random.Random) -> bytes:
    """Make a page as v1 is taken to send it: compact, values as text, one value in 20 with a field nobody knows."""
    reports = [report(number * REPORTS + each, draw) for each in range(REPORTS)]
    envelope = {"items": reports, "count": 10**6}
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


def report(number: int, draw: random.Random) -> dict[str, Any]:
    """Make a report with its values."""
    organization = {"id": number % 200, "name": f"Firma {number} GmbH", "type": "gmbh", "vat_id": "DE123456789"}
    return {
        "id": number,
        "template": 1,
        "report_request": number + 5000,
        "organization": {**organization, "homepage": "https://firma.example", "scoped_external_data": None},
        "user": {"id": number, "email": "a@firma.example", "first_name": "Anna", "last_name": "Müller"},
        "status": "submitted",
        "progress": 100,
        "period_start": "2025-01-01",
        "period_end": "2025-12-31",
        "customer_identifier": f"K-{number}",
        "reason": "",
        "created_at": "2026-01-01T10:00:00Z",
        "updated_at": "2026-02-01T10:00:00.123456Z",
        "submitted_at": "2026-02-01T10:00:00Z",
        "risk_class": draw.choice("ABC"),
        "field_values": [value(number, place, datatype, draw) for place, datatype in enumerate(DATATYPES)],
    }


def value(report_number: int, place: int, datatype: str, draw: random.Random) -> dict[str, Any]:
    """Make a field value."""
    number = report_number * VALUES + place
    made = {
        "id": number,
        "organization": report_number % 200,
        "value": text(datatype, draw) if draw.random() < 0.9 else None,
        "value_complex": {"parts": [{"year": 2024, "value": "1.00"}]} if draw.random() < 0.02 else None,
        "comment": draw.choice(["", "", "geschätzt"]),
        "measurement": draw.choice([1, 2, None]),
        "attachment": {"name": "beleg.pdf", "url": f"/{number}.pdf", "size": 12345} if draw.random() < 0.02 else None,
        "instance_id": 1 if place > 48 else None,
        "valid": True,
        "required": place % 2 == 0,
        "section": place // 6,
        "field_type": place,
    }
    return {**made, "confidence": round(draw.random(), 3)} if draw.random() < 0.05 else made


def text(datatype: str, draw: random.Random) -> str:
    """Make a value as text; one number in 50 is a German one."""
    if datatype == "decimal":
        return f"{draw.uniform(0, 1e6):.2f}" if draw.random() < 0.98 else "1.234,56"
    if datatype == "integer":
        return str(draw.randint(0, 5000))
    if datatype == "boolean":
        return draw.choice(["true", "false"])
    fixed = {"daterange": "2025-01-01 - 2025-12-31", "eu_economic_activity": "12.12.12 | Fischerei"}
    return fixed.get(datatype) or draw.choice(TEXTS)


def checksum(ids: Sequence[Any], values: Sequence[str | None]) -> int:
    """Sum up which value has which text."""
    return sum(zlib.crc32(f"{number}={each}".encode()) for number, each in zip(ids, values, strict=True))


def usual_way(body: bytes) -> pa.Table:
    """Make what is compared with: a table of reports, their values nested as they came."""
    return pa.Table.from_pylist(json.loads(body)["items"])


def decoded(bodies: Iterator[bytes], decoder: RecordDecoder) -> tuple[list[bytes], list[Any]]:
    """Take the pages that become batches at once, and give them with their reports."""
    taken: list[bytes] = []
    rows: list[Any] = []
    for body in bodies:
        taken.append(body)
        rows += decoder.page(body).rows
        if builders.is_enough(rows):
            break
    return taken, rows


def main(pages: int) -> None:
    """Measure and print; a ratio below the target is a measurement, not an error."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    draw = random.Random(1)
    bodies = [page(number, draw) for number in range(pages)]
    count, size = pages * REPORTS * VALUES, sum(map(len, bodies))
    templates, decoder, summary = Templates(), RecordDecoder(REPORT), Summary()
    templates.add("1", RecordDecoder(SECTION).page(sections()).rows)
    turns: list[dict[str, float]] = []

    def timed(name: str, run: Callable[..., Any], *args: Any) -> Any:
        begun = time.process_time()
        result = run(*args)
        if isinstance(result, Iterator):
            result = list(result)
        turns[-1][name] = time.process_time() - begun
        return result

    unknown = 0
    remaining = iter(bodies)
    while operator.length_hint(remaining):
        turns.append({})
        taken, rows = timed(DECODING, decoded, remaining, decoder)
        reports = timed(OF_REPORTS, builders.batches, "reports", rows, summary)
        values = timed(OF_VALUES, builders.field_values, rows, templates, summary)
        turns[-1][OURS] = sum(turns[-1].values())
        del rows
        timed(LOADS, map, json.loads, taken)
        baseline = timed(BASELINE, map, usual_way, taken)
        theirs = [each for table in baseline for row in table["field_values"].to_pylist() for each in row]
        ours = pa.Table.from_batches(values)
        assert (len(theirs), REPORTS * len(taken)) == (ours.num_rows, pa.Table.from_batches(reports).num_rows)
        assert checksum([each["id"] for each in theirs], [each["value"] for each in theirs]) == checksum(
            ours["id"].to_pylist(), ours["value"].to_pylist()
        )
        unknown += ours.num_rows - ours["extra"].null_count
        turns[-1] = {name: seconds / ours.num_rows for name, seconds in turns[-1].items()}
    print(f"{pages} pages, {size / 1e6:.0f} MB, {count:,} values, {unknown / count:.1%} of them with unknown fields")
    for name in (BASELINE, LOADS, OURS, DECODING, OF_REPORTS, OF_VALUES):
        median = statistics.median(turn[name] for turn in turns)
        print(f"{name:26} {size / count / median / 1e6:7.1f} MB/s {median * 1e9:7.0f} ns a value")
    ratio = statistics.median(turn[BASELINE] / turn[OURS] for turn in turns)
    verdict = "met" if ratio >= TARGET else "NOT met"
    print(f"ours is {ratio:.2f} times as fast (median); target {TARGET:.1f}: {verdict}. Rows and checksums are equal.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
