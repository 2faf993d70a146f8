"""Tidy tables of a platform: JSON in, Arrow record batches out.

Importing this package loads no pyarrow: operators check the names of tables with it while a DAG is parsed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TABLES: Mapping[str, tuple[str, ...]] = {
    "organizations": ("id",),
    "report_templates": ("id",),
    "sections": ("template_id", "id"),
    "field_types": ("template_id", "id"),
    "report_requests": ("id",),
    "reports": ("id",),
    "field_values": ("id",),
}
"""Each table and its key columns, in reading order: what a row refers to stands before it."""

SHAPES = ("tidy", "wide")
"""How field values stand: one row each, or as columns of their report (:mod:`.wide`)."""


@contextmanager
def pyarrow_needed() -> Iterator[None]:
    """Say how to get pyarrow, where importing a module that needs it fails.

    :raises OpenESGConfigError: in place of the import error.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise OpenESGConfigError(
            "Tables need pyarrow, which is not installed: pip install 'airflow-provider-openesg[parquet]'."
        ) from None
