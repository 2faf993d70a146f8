"""Tidy tables of a platform: JSON in, Arrow record batches out.

Importing this package loads no pyarrow: operators check the names of tables with it while a DAG is parsed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TABLES: Mapping[str, tuple[str, ...]] = {
    "organizations": ("id",),
    "report_templates": ("id",),
    "sections": ("template_id", "id"),
    "field_types": ("template_id", "id"),
    "report_requests": ("id",),
    "reports": ("id",),
    "field_values": ("id",),
}
"""Each table and its key columns, in reading order: a table comes after the tables that it refers to."""

_LISTS = {"reports": "reports", "field_values": "reports", "report_requests": "report-requests"}


def filtered_lists(tables: Iterable[str] | None) -> list[str]:
    """Return the resources whose lists take filters, of those that the tables are read from; ``None``: all tables."""
    return sorted({_LISTS[table] for table in (TABLES if tables is None else tables) if table in _LISTS})


@contextmanager
def require_pyarrow() -> Iterator[None]:
    """Turn a failed import of pyarrow into an error that says how to install it.

    :raises OpenESGConfigError: if pyarrow is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise OpenESGConfigError(
            "Tables need pyarrow, which is not installed: pip install 'airflow-provider-openesg[parquet]'."
        ) from None
