"""Pages of reports to record batches. No request is made here, so a worker process can run it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import UNSET

from airflow_provider_openesg.api import ASSUMED, Api
from airflow_provider_openesg.client.details import contradicts
from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.client.row_filter import TEMPLATE_FIELDS
from airflow_provider_openesg.client.row_filter import field_of as filter_field
from airflow_provider_openesg.records import REPORT
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.columns import as_moment
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text, field_of
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_openesg.client.envelope import Page

    Batches = list[tuple[str, pa.RecordBatch]]
    Built = tuple[Batches, Summary, Counter[str]]


@dataclass(slots=True)
class Selection:
    """Select the wanted rows of a list, and count them.

    The rows are checked even if the list was requested with a filter: a platform that ignores a filter would return
    each row several times, or the unchanged rows as well.

    :param resource: name of the list.
    :param after: only rows that changed later.
    :param allowed: allowed texts by filter.
    """

    resource: str
    after: datetime | None
    allowed: Mapping[str, set[str]]
    counts: Counter[str] = field(default_factory=Counter)

    def select(self, rows: Sequence[Any], templates: Sequence[str] | None, summary: Summary) -> list[Any]:
        """Return the wanted rows of a page.

        :param templates: ids and keys of the wanted templates; all if it is ``None``.
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
        if not all(self._filtered_value(row, name) in texts for name, texts in self.allowed.items()):
            return False
        moment = None if self.after is None else as_moment(row.updated_at)
        return self.after is None or moment is None or moment > self.after

    def _filtered_value(self, row: Any, name: str) -> str:
        if self.resource == "report-requests" and name in ("report_request", "id"):  # "id" is that of a report
            return as_text(row.id if name == "report_request" else field_of(row, "report")) or ""
        return as_text(field_of(row, filter_field(self.resource, name))) or ""


class ReportBuilder:
    """Decode pages of reports, and build the batches of reports and field values.

    :param with_values: whether field values are wanted.
    :param templates: templates of all reports that are added.
    :param summary: filled while building.
    :param api: what is assumed, or what the user wrote down.
    """

    def __init__(self, with_values: bool, templates: Templates, summary: Summary, api: Api = ASSUMED) -> None:
        self.decoder = RecordDecoder(REPORT, api, summary.differences, "reports")
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
        batches = [("reports", batch) for batch in builders.batches("reports", rows, self.summary, self.templates)]
        if self._with_values:
            values = list(builders.field_values(rows, self.templates, self.summary))
            # A batch of values follows reports in any case: the wide shape joins both, and waits for it.
            batches += [("field_values", each) for each in values or [pa.RecordBatch.from_pylist([], builders.UNTYPED)]]
        return batches

    def templates_of(self, rows: Sequence[Any]) -> set[str]:
        """Return the templates of the rows; with values, only those that the values are joined with."""
        needed = [row for row in rows if row.field_values or not self._with_values]
        return {each for row in needed if (each := template_of(row, "reports")) is not None}

    def parts_of(self, report: Any) -> Sequence[Any] | None:
        """Return the field values of a report; ``None`` if it has none or they are missing."""
        return None if report.field_values is UNSET else report.field_values


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """Metadata of a page that the worker process has decoded.

    :param page: the page without its rows.
    :param is_complete: whether all wanted rows have a list of field values, or none are wanted.
    :param has_empty: whether the list of a wanted row is empty.
    :param has_doubtful: whether one is empty although status or progress contradict it.
    :param has_values: whether the list of a wanted row is not empty.
    :param templates: templates that are needed to build the rows.
    """

    page: Page[Any]
    is_complete: bool
    has_empty: bool
    has_doubtful: bool
    has_values: bool
    templates: set[str]


class DecodedPages:
    """Decode pages of reports, and build the batches of the rows that the pagination keeps.

    A worker process runs it. Pages have numbers, and rows are named by their position in a page.

    :param resource, after, allowed: as for :class:`Selection`.
    :param with_values: whether field values are wanted.
    :param api: what is assumed, or what the user wrote down.
    """

    def __init__(
        self,
        resource: str,
        after: datetime | None,
        allowed: Mapping[str, set[str]],
        with_values: bool,
        api: Api = ASSUMED,
    ) -> None:
        self._new_selection = partial(Selection, resource, after, allowed)
        self._differences = Differences(quiet=True)
        self._with_values = with_values
        self._builder = ReportBuilder(with_values, Templates(), Summary(differences=self._differences), api)
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
        parts = [self._builder.parts_of(row) for row in rows] if self._with_values else []
        return DecodedPage(
            replace(page, rows=[]),
            None not in parts,
            any(each is not None and not each for each in parts),
            any(
                each is not None and not each and contradicts(as_text(field_of(row, "status")), row.progress)
                for row, each in zip(rows, parts, strict=False)
            ),
            any(parts),
            self._builder.templates_of(rows),
        )

    def build(self, number: int, positions: Sequence[int], templates: Templates | None) -> Built:
        """Build batches when enough rows were added, or if ``positions`` is empty.

        :param number, positions: page, and positions of its rows.
        :param templates: all templates; ``None`` if they have not changed since the last call.
        :return: the batches, and the counts of their rows.
        """
        selection, self._builder.summary = self._new_selection(), Summary(differences=self._differences)
        self._builder.templates = templates or self._builder.templates
        if not positions:
            return self._builder.flush(), self._builder.summary, selection.counts
        rows, wanted = self._pages[number]
        selected = selection.select([rows[each] for each in positions], wanted, self._builder.summary)
        return self._builder.add(selected), self._builder.summary, selection.counts


def template_of(row: Any, resource: str) -> str | None:
    """Return the id, or the key, of a record's template, as the record has it."""
    return as_text(field_of(row, TEMPLATE_FIELDS[resource]))
