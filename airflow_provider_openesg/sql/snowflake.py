"""Snowflake, by ADBC. The driver uploads Parquet files to a stage of Snowflake and copies them into the table."""

# ruff: noqa: S608 - names are quoted, texts escaped

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from airflow_provider_openesg.sql.session import described
from airflow_provider_openesg.sql.warehouse import WarehouseDatabase, WarehouseSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    import adbc_driver_manager.dbapi as adbc

    from airflow_provider_openesg.tables.layout import Table


class SnowflakeDatabase(WarehouseDatabase):
    """A Snowflake database."""

    description = "Snowflake, by ADBC (COPY)"

    def session(self, connection: adbc.Connection) -> SnowflakeSession:
        """Return a session."""
        return SnowflakeSession(connection, self.name, self.schema)


class SnowflakeSession(WarehouseSession):
    """An open Snowflake database. Names are in upper case, so that queries need not quote them."""

    types: ClassVar[Mapping[pa.DataType, str]] = {
        pa.string(): "TEXT",
        pa.bool_(): "BOOLEAN",
        pa.int64(): "NUMBER(38,0)",
        pa.float64(): "FLOAT",
        pa.date32(): "DATE",
        pa.timestamp("us", tz="UTC"): "TIMESTAMP_TZ",
    }
    decimal = "NUMBER({0.precision},{0.scale})"
    json = "TEXT"  # not VARIANT, which changes numbers and order

    def __init__(self, connection: adbc.Connection, name: str, schema: str | None) -> None:
        with connection.cursor() as cursor:
            # The account may have set other formats. The texts that are cast are in ISO 8601.
            cursor.execute("ALTER SESSION SET DATE_INPUT_FORMAT = 'AUTO'")
            cursor.execute("ALTER SESSION SET TIMESTAMP_INPUT_FORMAT = 'AUTO'")
            cursor.execute("SELECT CURRENT_SCHEMA()")
            ((current,),) = cursor.fetchall()
        super().__init__(connection, name, schema.upper() if schema else current)

    def begin(self) -> None:
        """Create the schema if it does not exist, and use it, because the driver loads into the current schema."""
        super().begin()
        self.execute(f"USE SCHEMA {self.quoted(self.schema)}")

    def quoted(self, name: str) -> str:
        """Return a quoted name in upper case."""
        return super().quoted(name.upper())

    def literal(self, text: str | None) -> str:
        """Return a text as a literal, with backslashes escaped."""
        return super().literal(text and text.replace("\\", "\\\\"))

    def column(self, field: pa.Field) -> str:
        """Return the declaration of a column, with its comment."""
        return f"{super().column(field)} COMMENT {self.literal(described(field) or '')}"

    def table_options(self, wanted: Table) -> str:
        """Return the table's comment."""
        return f" COMMENT = {self.literal(described(wanted.schema) or '')}"

    def create_stage(self, stage: str, columns: str) -> None:
        """Create a temporary table, which Snowflake drops at the end of the session."""
        self.execute(f"CREATE TEMPORARY TABLE {stage} ({columns})")

    def has_schema(self) -> bool:
        """Return whether the schema exists."""
        return bool(
            self.execute(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {self.literal(self.schema)}")
        )

    def columns(self, table: str) -> list[tuple[Any, ...]]:
        """Return the columns of a table."""
        return self.execute(
            "SELECT LOWER(column_name), CASE data_type WHEN 'NUMBER'"
            " THEN 'NUMBER(' || numeric_precision || ',' || numeric_scale || ')' ELSE data_type END,"
            " is_nullable = 'NO' AND column_default IS NULL FROM information_schema.columns"
            f" WHERE table_schema = {self.literal(self.schema)} AND table_name = {self.literal(table.upper())}"
        )
