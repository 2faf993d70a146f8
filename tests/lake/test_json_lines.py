from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_openesg.lake import FILE_FORMATS, formats
from airflow_provider_openesg.lake.formats import JsonLinesFile
from airflow_provider_openesg.tables.schemas import BOOLEAN, DATE, DECIMAL, INTEGER, SCHEMAS, TEXT, TIMESTAMP

NAMES = {
    "plain": TEXT,
    'ü "\\\n': TEXT,
    "n": INTEGER,
    "b": BOOLEAN,
    "d": DATE,
    "t": TIMESTAMP,
    "m": DECIMAL,
    "f": pa.float64(),
}
SCHEMA = pa.schema(NAMES)
LARGE = 10**26 - 1
VALUES = {
    "plain": st.text(st.sampled_from("a é😀\x7f\u2028/'{}")),
    'ü "\\\n': st.text(st.sampled_from('a"\\/\n\r\t\b\f\x00\x1f\x7f\u2028\u2029é😀')),
    "n": st.integers(-(2**63), 2**63 - 1),
    "b": st.booleans(),
    "d": st.dates(),
    "t": st.datetimes(timezones=st.just(UTC)),
    "m": st.decimals(-LARGE, LARGE, places=12) | st.decimals(-1, 1, places=12) | st.integers(-99, LARGE).map(Decimal),
    # The json module writes the exponents of others in another form.
    "f": st.just(0.0) | st.floats(0.001, 1e15) | st.floats(-1e15, -0.001),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}))


def plain(value):
    if isinstance(value, Decimal):
        with localcontext(prec=38):
            return format(value.normalize(), "f") if value else "0"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return value.isoformat() if isinstance(value, date) else value


def written(*batches):
    file = io.BytesIO()
    lines = JsonLinesFile(file, SCHEMA)
    for batch in batches:
        lines.write(batch)
    return file.getvalue().decode()


def expected(rows):
    lines = ({name: plain(row[name]) for name in NAMES} for row in rows)
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def test_every_file_format_has_a_class():
    assert tuple(formats.OPENERS) == FILE_FORMATS


def test_every_type_is_tested():
    assert set(NAMES.values()) == {field.type for schema in SCHEMAS.values() for field in schema}


@given(ROWS, st.integers(0, 3))
@example([dict.fromkeys(NAMES)] * 2, 0)
@example([dict.fromkeys(NAMES) | {"m": Decimal(text)} for text in ("0", "1E-12", "-1.2E-7", "100")], 1)
def test_lines_equal_the_output_of_the_json_module(rows, start):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    assert written(batch, batch.slice(start)) == expected(rows) + expected(rows[start:])


@pytest.mark.parametrize("written_bytes", [1, 7, 10_000])
def test_lines_are_written_in_blocks(written_bytes, monkeypatch):
    monkeypatch.setattr(formats, "WRITTEN_BYTES", written_bytes)
    rows = [dict.fromkeys(NAMES) | {"plain": "x" * 20, "n": number} for number in range(10)]
    assert written(pa.RecordBatch.from_pylist(rows, SCHEMA)) == expected(rows)


def test_every_character_is_escaped_if_necessary():
    texts = [*map(chr, range(0x100)), "\u2028", "😀"]
    rows = [dict.fromkeys(NAMES) | {"plain": text} for text in texts]
    assert written(*(pa.RecordBatch.from_pylist([row], SCHEMA) for row in rows)) == expected(rows)
