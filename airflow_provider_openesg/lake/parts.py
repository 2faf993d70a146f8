"""Parts, each written by a task of its own, as one run."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.api import RESOURCES
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.lake.manifest import Manifest, ManifestTable
from airflow_provider_openesg.runs import OVERLAP, UPDATED_AFTER, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_OF_TEMPLATES = ("report_templates", "sections", "field_types")


def merge(dag_id: str, task_id: str, run_id: str, map_index: int, parts: Sequence[Manifest]) -> Manifest:
    """Describe the run of the task that commits ``parts``, of which there is at least one.

    :raises OpenESGConfigError: where they do not make one run, or hold rows twice.
    """
    for what in ("api_url", "file_format"):
        if len(found := {getattr(part, what) for part in parts}) > 1:
            raise OpenESGConfigError(
                f"parts: they differ in their {what} ({', '.join(sorted(found))}). Commit them apart."
            )
    check_disjoint(parts)
    tables: dict[str, ManifestTable] = {}
    for part in parts:
        for name, table in part.tables.items():
            known = tables.setdefault(name, ManifestTable(rows=0, columns=table.columns, files=[]))
            tables[name] = ManifestTable(known.rows + table.rows, known.columns, known.files + table.files)
    started_at = min(part.started_at for part in parts)
    # Complete where all parts are: organizations, which know no changes, are always pulled as a whole.
    after = [each for part in parts if (each := part.selection.get(UPDATED_AFTER)) is not None]
    selection = {"tables": list(tables), UPDATED_AFTER: min(after, default=None)}
    return Manifest.of(
        Run(dag_id, task_id, run_id, map_index, parts[0].api_url, selection, started_at),
        file_format=parts[0].file_format,
        high_water_mark=_high_water_mark(parts, started_at),
        tables=tables,
        parts=[msgspec.structs.replace(part, root="") for part in parts],
    )


def check_disjoint(parts: Sequence[Manifest]) -> None:
    """Refuse parts of which two have pulled the same rows.

    :raises OpenESGConfigError: naming table and parts.
    """
    for one, other in combinations(parts, 2):
        for table in one.tables:
            if table in other.tables and not _are_disjoint(table, one.selection, other.selection):
                raise OpenESGConfigError(
                    f"parts: table {table} would hold rows twice, from task {one.task_id} (map index {one.map_index}:"
                    f" {_said(one)}) and task {other.task_id} (map index {other.map_index}: {_said(other)})."
                    f" Pull {table} in one of them alone (tables=…), or tell them apart by templates or filters."
                )


def _are_disjoint(table: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two pulls cannot have a row of a table in common."""
    if table == "organizations":
        return False
    if one["templates"] is not None and other["templates"] is not None:
        templates = ({str(each) for each in side["templates"]} for side in (one, other))
        if set.isdisjoint(*templates):
            return True
    if table in _OF_TEMPLATES:
        return False
    # A filter that the list does not take, every row passes.
    known = RESOURCES["report-requests" if table == "report_requests" else "reports"].filters
    filters = [{name: _values(value) for name, value in (side["filters"] or {}).items()} for side in (one, other)]
    both = filters[0].keys() & filters[1].keys() & known.keys()
    return any(filters[0][name].isdisjoint(filters[1][name]) for name in both)


def _values(value: Any) -> set[str]:
    return {str(each) for each in value} if isinstance(value, list | tuple) else {str(value)}


def _said(part: Manifest) -> str:
    return f"templates {part.selection['templates']}, filters {part.selection['filters']}"


def _high_water_mark(parts: Sequence[Manifest], started_at: datetime) -> datetime | None:
    """Return the time up to which all parts have seen every change: each of them has until it started."""
    marks = [part.high_water_mark for part in parts if part.high_water_mark is not None]
    return min(max(marks), started_at - OVERLAP) if marks else None
