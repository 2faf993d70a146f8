"""Tidy tables of a platform: JSON in, Arrow record batches out.

Importing this package loads no pyarrow: operators check the names of tables with it while a DAG is parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
