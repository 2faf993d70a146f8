"""Keep batches on local disk until they are loaded."""

from __future__ import annotations

import logging
import tempfile
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_openesg import clock
from airflow_provider_openesg.client.progress import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = logging.getLogger(__name__)

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class StagedTable:
    """Batches of one table in an unnamed file in ``TMPDIR``. The file disappears when the process ends, even if killed.

    :param name: name of the table, for the log.
    """

    def __init__(self, name: str, schema: pa.Schema) -> None:
        self.name = name
        self.schema = schema
        self.rows = 0
        self._file = tempfile.TemporaryFile(prefix="openesg-")  # noqa: SIM115 - closed with the stage
        self._writer = pa.ipc.new_stream(self._file, schema, options=_COMPRESSED)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch with this table's columns."""
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def finish(self) -> None:
        """Close the file for writing."""
        self._writer.close()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the batches, with one reader at a time. Progress is logged.

        :param columns: names of the columns; all by default.
        """
        logged_at, read = clock.monotonic(), 0
        wanted = self.schema.names if columns is None else columns
        # Other columns are not decompressed.
        only = pa.ipc.IpcReadOptions(included_fields=[self.schema.get_field_index(name) for name in wanted])
        self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file, options=only):
            yield batch.select(wanted)
            read += batch.num_rows
            if columns is None and clock.monotonic() - logged_at >= INTERVAL:
                logged_at = clock.monotonic()
                log.info("Table %s: loaded %d of %d rows (%.0f%%)", self.name, read, self.rows, 100 * read / self.rows)

    def schema_of(self, columns: Sequence[str] | None = None) -> pa.Schema:
        """Return the schema of all or some columns."""
        return self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])

    def reader(self, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        """Return a reader of the batches."""
        return pa.RecordBatchReader.from_batches(self.schema_of(columns), self.batches(columns))

    def distinct(self, key: Sequence[str]) -> int:
        """Return the number of different keys."""
        keys = pa.Table.from_batches(self.batches(key), self.schema_of(key))
        return int(keys.group_by(list(key)).aggregate([]).num_rows)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
