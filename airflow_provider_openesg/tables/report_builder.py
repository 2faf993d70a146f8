"""Pages of reports to record batches. No request is made here, so a worker process can run it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import UNSET

from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.columns import as_moment
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text, field_of
from airflow_provider_openesg.records import REPORT
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    Batches = list[tuple[str, pa.RecordBatch]]
    Built = tuple[Batches, Summary, Counter[str]]

TEMPLATE_FILTER = "template"
_TEMPLATE_FIELDS = {"reports": "template", "report-requests": "report_template"}
"""Resource to the field that names the template of a record."""


@dataclass(slots=True)
class Selection:
    """Select the wanted rows of a list, and count them.

    The rows are checked even if the list was requested with a filter: a platform that ignores a filter would return
    each row several times, or the unchanged rows as well.

    :param resource: name of the list.
    :param after: only rows that changed later.
    :param others: allowed values by filter, for filters that the list does not take.
    """

    resource: str
    after: datetime | None
    others: Mapping[str, set[str]]
    counts: Counter[str] = field(default_factory=Counter)

    def select(self, rows: Sequence[Any], templates: Sequence[str] | None, summary: Summary) -> list[Any]:
        """Return the wanted rows of a page.

        :param templates: ids of the wanted templates; all if it is ``None``.
        """
        selected = [row for row in rows if self.is_wanted(row, templates)]
        for row in rows:
            summary.add_change(as_moment(row.updated_at))
        self.counts["rows"] += len(rows)
        self.counts["selected"] += len(selected)
        if self.after is not None:
            self.counts["without_time"] += sum(as_moment(row.updated_at) is None for row in selected)
        return selected

    def is_wanted(self, row: Any, templates: Sequence[str] | None) -> bool:
        """Return whether a row is wanted. A row without a time of change always may have changed."""
        if templates is not None and template_of(row, self.resource) not in templates:
            return False
        if not all(self._filtered_value(row, name) in values for name, values in self.others.items()):
            return False
        moment = None if self.after is None else as_moment(row.updated_at)
        return self.after is None or moment is None or moment > self.after

    def _filtered_value(self, row: Any, name: str) -> str | None:
        if self.resource == "report-requests" and name in ("report_request", "id"):  # "id" is that of a report
            return as_text(row.id if name == "report_request" else field_of(row, "report"))
        return as_text(field_of(row, _TEMPLATE_FIELDS[self.resource] if name == TEMPLATE_FILTER else name))


class ReportBuilder:
    """Decode pages of reports, and build the batches of reports and field values.

    :param with_values: whether field values are wanted.
    :param templates: templates of all reports that are added.
    :param summary: filled while building.
    """

    def __init__(self, with_values: bool, templates: Templates, summary: Summary) -> None:
        self.decoder = RecordDecoder(REPORT)
        self.templates = templates
        self.summary = summary
        self._with_values = with_values
        self._rows: list[Any] = []

    def add(self, rows: Sequence[Any]) -> Batches:
        """Add reports; return batches when enough reports were added."""
        self._rows += rows
        return self.flush() if builders.is_enough(self._rows) else []

    def flush(self) -> Batches:
        """Return the batches of the reports that were added since the last batches."""
        rows, self._rows = self._rows, []
        if not rows:
            return []
        batches = [("reports", batch) for batch in builders.batches("reports", rows, self.summary)]
        if self._with_values:
            values = list(builders.field_values(rows, self.templates, self.summary))
            # A batch of values follows reports in any case: the wide shape joins both, and waits for it.
            batches += [("field_values", each) for each in values or [pa.RecordBatch.from_pylist([], builders.UNTYPED)]]
        return batches

    def templates_of(self, rows: Sequence[Any]) -> set[str]:
        """Return the ids of the templates that are needed to build the rows."""
        if not self._with_values:
            return set()
        return {each for row in rows if row.field_values if (each := template_of(row, "reports")) is not None}

    def is_complete(self, report: Any) -> bool:
        """Return whether a report is complete, so that no further request is needed."""
        return not self._with_values or (report.field_values is not UNSET and report.field_values is not None)


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """Metadata of a page that the worker process has decoded.

    :param ids, count, next: as in :class:`~airflow_provider_openesg.client.pagination.Page`.
    :param is_complete: whether all wanted rows have their field values.
    :param templates: ids of the templates that are needed to build the rows.
    """

    ids: list[str | int]
    count: int | None
    next: str | None
    is_complete: bool
    templates: set[str]


class DecodedPages:
    """Decode pages of reports, and build the batches of the rows that the pagination keeps.

    A worker process runs it. Pages have numbers, and rows are named by their position in a page.

    :param resource, after, others: as for :class:`Selection`.
    :param with_values: whether field values are wanted.
    """

    def __init__(
        self, resource: str, after: datetime | None, others: Mapping[str, set[str]], with_values: bool
    ) -> None:
        self._new_selection = partial(Selection, resource, after, others)
        self._builder = ReportBuilder(with_values, Templates(), Summary())
        self._pages: dict[int, tuple[list[Any], Sequence[str] | None]] = {}

    def page(self, number: int, body: bytes, templates: Sequence[str] | None, dropped: Sequence[int]) -> DecodedPage:
        """Decode a page.

        :param number: number of the page.
        :param templates: ids of the wanted templates; all if it is ``None``.
        :param dropped: numbers of pages that are not needed any more.
        :raises ValueError: if the body is not a page of reports.
        """
        for each in dropped:
            self._pages.pop(each, None)
        page = self._builder.decoder.page(body)
        self._pages[number] = page.rows, templates
        rows = [row for row in page.rows if self._new_selection().is_wanted(row, templates)]
        is_complete = all(map(self._builder.is_complete, rows))
        return DecodedPage(page.ids, page.count, page.next, is_complete, self._builder.templates_of(rows))

    def build(self, number: int, positions: Sequence[int], templates: Templates | None) -> Built:
        """Build batches when enough rows were added, or if ``positions`` is empty.

        :param number, positions: page, and positions of its rows.
        :param templates: all templates; ``None`` if they have not changed since the last call.
        :return: the batches, and the counts of their rows.
        """
        selection, self._builder.summary = self._new_selection(), Summary()
        self._builder.templates = templates or self._builder.templates
        if not positions:
            return self._builder.flush(), self._builder.summary, selection.counts
        rows, wanted = self._pages[number]
        selected = selection.select([rows[each] for each in positions], wanted, self._builder.summary)
        return self._builder.add(selected), self._builder.summary, selection.counts


def template_of(row: Any, resource: str) -> str | None:
    """Return the id of a record's template."""
    return as_text(field_of(row, _TEMPLATE_FIELDS[resource]))
