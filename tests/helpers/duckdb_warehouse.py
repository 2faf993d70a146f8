"""DuckDB by its ADBC driver, in place of a warehouse: without keys, and created tables are not rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.sql.duckdb import DuckDBSession
from airflow_provider_openesg.sql.warehouse import WarehouseDatabase, WarehouseSession

if TYPE_CHECKING:
    import adbc_driver_manager.dbapi as adbc

    from airflow_provider_openesg.tables.layout import Table


class DuckDBWarehouse(WarehouseDatabase):
    description = "DuckDB in place of a warehouse, by ADBC"

    def session(self, connection: adbc.Connection) -> DuckDBWarehouseSession:
        return DuckDBWarehouseSession(connection, self.name, self.schema or "main")


class DuckDBWarehouseSession(WarehouseSession):
    types, decimal, json = DuckDBSession.types, DuckDBSession.decimal, DuckDBSession.json

    def __init__(self, connection: adbc.Connection, name: str, schema: str) -> None:
        super().__init__(connection, name, schema)
        self.schema_option = {"db_schema_name": schema}

    def constraints(self, wanted: Table) -> list[str]:
        """Enforce no key."""
        return []

    def has_schema(self) -> bool:
        return bool(self.execute(f"SELECT 1 FROM duckdb_schemas() WHERE schema_name = {self.literal(self.schema)}"))

    def create_stage(self, stage: str, columns: str) -> None:
        self.execute(f"CREATE TABLE {stage} ({columns})")

    def columns(self, table: str) -> list[tuple[Any, ...]]:
        return self.execute(
            "SELECT lower(column_name), data_type, NOT is_nullable AND column_default IS NULL FROM duckdb_columns()"
            f" WHERE schema_name = {self.literal(self.schema)} AND table_name = {self.literal(table)}"
        )
