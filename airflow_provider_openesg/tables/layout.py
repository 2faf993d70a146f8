"""Description of a table for the writers, tidy or wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

OWNERS: Mapping[str, tuple[str, str]] = {
    "sections": ("report_templates", "template_id"),
    "field_types": ("report_templates", "template_id"),
    "field_values": ("reports", "report_id"),
}
"""Tables whose rows belong to a record of another table, and the column with its id."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is written.

    :param schema: columns, with ``description`` and ``unit`` in their metadata.
    :param key: its key columns.
    :param owner: table whose records own these rows, and the column with the record's id, as in :data:`OWNERS`.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    owner: tuple[str, str] | None = None


def tidy(name: str) -> Table:
    """Return one of :data:`~airflow_provider_openesg.tables.TABLES`."""
    return Table(name, SCHEMAS[name], TABLES[name], OWNERS.get(name))
