"""What a table looks like, for whoever writes it: a tidy one or one that is made of a template."""

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
"""Tables whose rows come and go with a record of another table, and the column that names it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is written.

    :param schema: its columns; ``description`` and ``unit`` in the metadata say what they are.
    :param key: its key columns.
    :param owner: table whose records own these rows, and the column that names the record, as in :data:`OWNERS`.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    owner: tuple[str, str] | None = None


def tidy(name: str) -> Table:
    """Return one of :data:`~airflow_provider_openesg.tables.TABLES`."""
    return Table(name, SCHEMAS[name], TABLES[name], OWNERS.get(name))
