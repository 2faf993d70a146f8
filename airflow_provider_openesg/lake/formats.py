"""Files of one table: Parquet, JSON Lines and CSV.

To add a file format, add its name to :data:`airflow_provider_openesg.lake.FileFormat` and one class here::

    class OrcFile(TableFile, file_format="orc"): ...

JSON Lines and CSV lose nothing: decimals are exact text, times are ISO 8601 (UTC), and null differs from the empty
string (in JSON it is ``null``; in CSV it is nothing between two commas, because all text is quoted). JSON columns are
written as text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from airflow_provider_openesg.lake.json_lines import json_lines
from airflow_provider_openesg.tables.decimals import decimals_as_text

if TYPE_CHECKING:
    from airflow_provider_openesg.lake import FileFormat

ROW_GROUP_ROWS = 122_880
"""Rows of a row group: DuckDB's default, which suits Spark and pandas too."""
ROW_GROUP_BYTES = 64 * 1024 * 1024
"""Maximum size of the row group that a file keeps in memory."""
WRITTEN_BYTES = 1024 * 1024
"""Bytes written at once. Larger pieces do not fit into the processor's cache and are several times slower."""

IDS = ("id", "report_id", "report_request_id", "organization_id", "template_id")
"""Text columns with statistics. They help a reader to skip row groups; the bounds of other texts hardly ever do."""

OPENERS: dict[str, type[TableFile]] = {}
"""Class of each file format. The format is also the file extension."""


class TableFile(ABC):
    """An open file that takes record batches of one schema. Subclasses register themselves in :data:`OPENERS`."""

    held_bytes: int = 0
    """Bytes kept in memory until they are written."""

    def __init_subclass__(cls, *, file_format: FileFormat) -> None:
        OPENERS[file_format] = cls

    @abstractmethod
    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        """Start the file.

        :param handle: takes the content; its owner closes it.
        :param schema: schema of all batches; its metadata describe the run.
        """

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""

    def flush(self) -> None:  # noqa: B027 - most formats keep nothing in memory
        """Write all rows that are kept in memory."""

    def close(self) -> None:  # noqa: B027 - most formats have no footer
        """Write the remaining rows and the end of the file."""


class _Unowned:
    """A file object whose ``close`` does nothing, because its owner closes it."""

    closed = False

    def __init__(self, handle: BinaryIO) -> None:
        self.write, self.flush = handle.write, handle.flush

    def close(self) -> None:
        """Leave the file open."""


class ParquetFile(TableFile, file_format="parquet"):
    """Parquet with ZSTD. Batches are collected into row groups."""

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        # No dictionary for numbers, ids and values, which rarely repeat: it would cost time and space.
        repeating = [each.name for each in schema if pa.types.is_string(each.type) and each.name not in ("id", "value")]
        statistics = [each.name for each in schema if not pa.types.is_string(each.type) or each.name in IDS]
        # Buffered by Arrow: each write to the handle has to wait for the interpreter lock.
        self._sink = pa.output_stream(_Unowned(handle), buffer_size=WRITTEN_BYTES)
        self._writer = pq.ParquetWriter(
            self._sink, schema, compression="zstd", use_dictionary=repeating, write_statistics=statistics
        )
        self._held: list[pa.RecordBatch] = []
        self._rows = self.held_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep the batch until a row group is full. Rows beyond it start the next row group."""
        room = ROW_GROUP_ROWS - self._rows
        self._hold(batch.slice(0, room))
        if self._rows == ROW_GROUP_ROWS or self.held_bytes >= ROW_GROUP_BYTES:
            self.flush()
        if batch.num_rows > room:
            self.write(batch.slice(room))

    def flush(self) -> None:
        """Write the collected rows as one row group."""
        if self._rows:
            # The schema of the file, not of the batch: it carries the metadata of the run.
            table = pa.Table.from_batches(self._held).replace_schema_metadata(self._writer.schema.metadata)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._held, self._rows, self.held_bytes = [], 0, 0

    def close(self) -> None:
        """Write the last row group and the footer."""
        try:
            self.flush()
            self._writer.close()
        finally:
            self._sink.close()

    def _hold(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        self.held_bytes += batch.get_total_buffer_size()


class JsonLinesFile(TableFile, file_format="jsonl"):
    """One JSON object per row and line."""

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:  # noqa: ARG002 - signature of all formats
        self._handle = handle

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows."""
        lines = json_lines(_as_text(batch))
        for start in range(0, len(lines), WRITTEN_BYTES):
            self._handle.write(lines[start : start + WRITTEN_BYTES])


class CsvFile(TableFile, file_format="csv"):
    """CSV after RFC 4180: a header, commas, doubled quotes. Text is quoted, so that an empty field means null."""

    def __init__(self, handle: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pyarrow.csv.CSVWriter(handle, _as_text(pa.RecordBatch.from_pylist([], schema)).schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows."""
        self._writer.write(_as_text(batch))

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Convert columns of types that neither JSON nor CSV has to exact text."""
    columns = [_column_as_text(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _column_as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_decimal(column.type):
        # Without the zeros that only fill the column's scale.
        return pc.ascii_rtrim(pc.ascii_rtrim(decimals_as_text(column), "0"), ".")
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    return column
