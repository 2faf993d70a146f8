"""One table into one file: Parquet, JSON Lines, CSV.

Text formats keep what a number or a time is: decimals as exact text, times in ISO 8601 (UTC), null apart from the empty
string (JSON ``null``; in CSV nothing at all, while every text stands in quotes), JSON columns as the text that they
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from airflow_provider_openesg.lake.json_lines import json_lines
from airflow_provider_openesg.tables.decimals import decimals_as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROW_GROUP_ROWS = 122_880
"""DuckDB's own size, and a good one for Spark and pandas."""
ROW_GROUP_BYTES = 64 * 1024 * 1024
"""Bound on what one table holds in memory until its row group is written."""
WRITTEN_BYTES = 1024 * 1024
"""Bytes that a file gets at once; many more are out of the processor's cache by then, and cost Linux a multiple."""


class TableFile(Protocol):
    """An open file that takes record batches of one schema."""

    held_bytes: int
    """What is held in memory until it is written."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""

    def flush(self) -> None:
        """Write what is held."""

    def close(self) -> None:
        """Write what is still held and the end of the file; the handle below stays open."""


class ParquetFile:
    """Parquet with ZSTD; pages of the API are gathered into row groups that readers like."""

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        # Not for numbers, ids and values, which hardly repeat: a dictionary of them takes more time and more room.
        repeating = [each.name for each in schema if pa.types.is_string(each.type) and each.name not in ("id", "value")]
        self._writer = pq.ParquetWriter(handle, schema, compression="zstd", use_dictionary=repeating)
        self._held: list[pa.RecordBatch] = []
        self._rows = self.held_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Hold the batch until a row group is full; what is more than that begins the next one."""
        room = ROW_GROUP_ROWS - self._rows
        self._hold(batch.slice(0, room))
        if self._rows == ROW_GROUP_ROWS or self.held_bytes >= ROW_GROUP_BYTES:
            self.flush()
        if batch.num_rows > room:
            self.write(batch.slice(room))

    def flush(self) -> None:
        """Write what is held as one row group."""
        if self._rows:
            # The file's schema, not the batch's: it carries the run's provenance.
            table = pa.Table.from_batches(self._held).replace_schema_metadata(self._writer.schema.metadata)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._held, self._rows, self.held_bytes = [], 0, 0

    def close(self) -> None:
        """Write the last row group and the footer."""
        self.flush()
        self._writer.close()

    def _hold(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        self.held_bytes += batch.nbytes


class JsonLinesFile:
    """One JSON object per line and row."""

    held_bytes = 0

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:  # noqa: ARG002 - the formats share a signature
        self._handle = handle

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows."""
        lines = json_lines(_as_text(batch))
        for start in range(0, len(lines), WRITTEN_BYTES):
            self._handle.write(lines[start : start + WRITTEN_BYTES])

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


class CsvFile:
    """CSV as RFC 4180 has it: a header, commas, quotes doubled; texts are quoted, so that nothing at all means null."""

    held_bytes = 0

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pyarrow.csv.CSVWriter(handle, _as_text(pa.RecordBatch.from_pylist([], schema)).schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows."""
        self._writer.write(_as_text(batch))

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Let pyarrow end the file."""
        self._writer.close()


OPENERS: Mapping[str, Callable[[BinaryIO, pa.Schema], TableFile]] = {
    "parquet": ParquetFile,
    "jsonl": JsonLinesFile,
    "csv": CsvFile,
}
"""File format, which is the file's extension as well, to what writes it."""


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Turn the columns that neither JSON nor CSV has a type for into exact text."""
    columns = [_column_as_text(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _column_as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_decimal(column.type):
        # Without the zeros that only fill up the column's scale.
        return pc.ascii_rtrim(pc.ascii_rtrim(decimals_as_text(column), "0"), ".")
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    return column
