"""Merge the parts that several tasks wrote into one run."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.filters import filter_texts, filters_of
from airflow_provider_openesg.lake.manifest import Manifest, ManifestTable
from airflow_provider_openesg.runs import OVERLAP, UPDATED_AFTER, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_OF_TEMPLATES = ("report_templates", "sections", "field_types")


def merge(dag_id: str, task_id: str, run_id: str, map_index: int, parts: Sequence[Manifest]) -> Manifest:
    """Return the manifest of the run that consists of ``parts``.

    :param parts: at least one.
    :raises OpenESGConfigError: if the parts do not fit together, or if a row may be in two of them.
    """
    for name in ("api_url", "file_format"):
        if len(values := {getattr(part, name) for part in parts}) > 1:
            raise OpenESGConfigError(
                f"parts: {name} differs ({', '.join(sorted(values))}). Commit them as separate runs."
            )
    check_disjoint(parts)
    tables: dict[str, ManifestTable] = {}
    for part in parts:
        for name, table in part.tables.items():
            total = tables.setdefault(name, ManifestTable(rows=0, columns=table.columns, files=[]))
            tables[name] = ManifestTable(total.rows + table.rows, total.columns, total.files + table.files)
    started_at = min(part.started_at for part in parts)
    # Complete only if all parts are complete. Organizations are always read completely.
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
    """Check that no two parts may contain the same rows.

    :raises OpenESGConfigError: with the table and both parts.
    """
    for one, other in combinations(parts, 2):
        for table in one.tables:
            if table in other.tables and not _are_disjoint(table, one.selection, other.selection):
                raise OpenESGConfigError(
                    f"parts: table {table} would contain rows twice, from task {one.task_id} (map index"
                    f" {one.map_index}: {_selection(one)}) and task {other.task_id} (map index {other.map_index}:"
                    f" {_selection(other)}). Pull {table} in only one of them (tables=…), or use different templates"
                    " or filters."
                )


def _are_disjoint(table: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two selections cannot share a row of a table."""
    if table == "organizations":
        return False
    if one["templates"] is not None and other["templates"] is not None:
        templates = ({str(each) for each in side["templates"]} for side in (one, other))
        if set.isdisjoint(*templates):
            return True
    if table in _OF_TEMPLATES:
        return False
    # A filter that is not one of the list may not remove rows.
    known = {*filters_of("report-requests" if table == "report_requests" else "reports")}
    filters = [{k: {*filter_texts(k, value)} for k, value in (side["filters"] or {}).items()} for side in (one, other)]
    both = filters[0].keys() & filters[1].keys() & known
    return any(filters[0][name].isdisjoint(filters[1][name]) for name in both)


def _selection(part: Manifest) -> str:
    return f"templates {part.selection['templates']}, filters {part.selection['filters']}"


def _high_water_mark(parts: Sequence[Manifest], started_at: datetime) -> datetime | None:
    """Return the time up to which all parts have read every change. Each part has done so until it started."""
    marks = [part.high_water_mark for part in parts if part.high_water_mark is not None]
    return min(max(marks), started_at - OVERLAP) if marks else None
