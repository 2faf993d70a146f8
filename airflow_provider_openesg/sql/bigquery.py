"""BigQuery, by ADBC."""

# ruff: noqa: S608 - names are quoted, texts escaped

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.sql.session import described
from airflow_provider_openesg.sql.warehouse import WarehouseDatabase, WarehouseSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import adbc_driver_manager.dbapi as adbc

    from airflow_provider_openesg.sql.stage import StagedTable
    from airflow_provider_openesg.tables.layout import Table


_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "`": "\\`", "\n": "\\n", "\r": "\\r"})


class BigQueryDatabase(WarehouseDatabase):
    """A BigQuery project. Its datasets are the schemas."""

    description = "BigQuery, by ADBC"

    def session(self, connection: adbc.Connection) -> BigQuerySession:
        """Return a session."""
        return BigQuerySession(connection, self.name, self.schema)


class BigQuerySession(WarehouseSession):
    """An open BigQuery project."""

    types: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "STRING",
        pa.bool_(): "BOOL",
        pa.int64(): "INT64",
        pa.float64(): "FLOAT64",
        pa.date32(): "DATE",
        pa.timestamp("us", tz="UTC"): "TIMESTAMP",
    }
    decimal = "BIGNUMERIC"  # NUMERIC ends at nine decimal places
    json = "STRING"  # not JSON, which changes numbers and order

    def __init__(self, connection: adbc.Connection, name: str, schema: str | None) -> None:
        super().__init__(connection, name, schema)
        self.schema_option = {"db_schema_name": self.schema}

    def transact(self, statements: Sequence[str]) -> None:
        """Run statements as one script, which BigQuery finishes even if the task is killed."""
        # The driver expects rows from the last statement.
        script = ["BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION", "SELECT 1"]
        self.execute(";\n".join(script))

    def quoted(self, name: str) -> str:
        """Return a quoted name."""
        return f"`{name.translate(_ESCAPES)}`"

    def literal(self, text: str | None) -> str:
        """Return a text as a literal on one line. GoogleSQL escapes quotes and line breaks with a backslash."""
        return "NULL" if text is None else f"'{text.translate(_ESCAPES)}'"

    def column(self, field: pa.Field) -> str:
        """Return the declaration of a column, with its description."""
        return f"{super().column(field)} {self._options(field)}"

    def constraints(self, wanted: Table) -> list[str]:
        """Return the primary key, which BigQuery does not enforce."""
        return [f"{key} NOT ENFORCED" for key in super().constraints(wanted)]

    def table_options(self, wanted: Table) -> str:
        """Return the table's description."""
        return f" {self._options(wanted.schema)}"

    def create_stage(self, stage: str, columns: str) -> None:
        """Create a table that BigQuery drops after one day."""
        expires = "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
        self.execute(f"CREATE TABLE {stage} ({columns}) OPTIONS({expires})")

    def has_schema(self) -> bool:
        """Return whether the dataset can be read. The list of datasets needs their region, which is unknown."""
        try:
            self.execute(f"SELECT 1 FROM {self.quoted(self.schema)}.INFORMATION_SCHEMA.TABLES LIMIT 1")
        except self.errors:
            return False
        return True

    def _ingest(self, table: str, rows: StagedTable, columns: Sequence[str] | None = None, **options: Any) -> None:
        try:
            super()._ingest(table, rows, columns, **options)
        except self.errors as error:
            if "adbc.ingest" not in str(error):
                raise
            raise OpenESGConfigError(
                f"{self.name}: this driver cannot load rows in bulk (adbc-driver-bigquery from PyPI cannot). Install"
                ' another with `dbc install bigquery`, and set extra {"driver": "bigquery", "dialect": "bigquery"}.'
            ) from error

    def columns(self, table: str) -> list[tuple[Any, ...]]:
        """Return the columns of a table."""
        return self.execute(
            "SELECT LOWER(column_name), data_type, is_nullable = 'NO' AND COALESCE(column_default, 'NULL') = 'NULL'"
            f" FROM {self.quoted(self.schema)}.INFORMATION_SCHEMA.COLUMNS WHERE table_name = {self.literal(table)}"
        )

    def _options(self, item: pa.Field | pa.Schema) -> str:
        return f"OPTIONS(description = {self.literal(described(item))})"
