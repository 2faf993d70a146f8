"""The long lists of a pull, reports and report requests: page by page to the batches of their tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import UNSET, Struct

from airflow_provider_openesg.api import RESOURCES, UPDATED_AFTER
from airflow_provider_openesg.client.parallel import in_turn
from airflow_provider_openesg.client.reading import quoted
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.columns import as_moment
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text, field_of
from airflow_provider_openesg.tables.record_types import REPORT, REPORT_REQUEST, SECTION

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_openesg.client.reading import ReadingClient
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.template_lookup import Templates

    Batches = Generator[tuple[str, pa.RecordBatch]]

log = logging.getLogger(__name__)

TEMPLATE_FILTER = "template"
_TEMPLATE_OF = {"reports": "template", "report-requests": "report_template"}
"""The field that names a record's template."""

_ASKED = "%s: the list is asked for changes after %s"
_NO_FILTER = "%s: the list has no filter for changes after %s; it is read whole, unchanged rows are left out here"


@dataclass(slots=True)
class Pull:
    """What of the lists is wanted, and what is known when their turn comes.

    :param wanted: names of tables.
    :param filters: query parameters, as far as each list takes them.
    :param after: only rows that changed later.
    :param summary: filled while reading.
    :param templates: sections and field types of the templates read so far.
    :param template_ids: ids of the templates to read; all where it is None.
    :param embedded: ids of the organizations found in other records so far; None where they have a list of their own.
    """

    wanted: Sequence[str]
    filters: Mapping[str, Any]
    after: datetime | None
    summary: Summary
    templates: Templates
    template_ids: list[str] | None = None
    embedded: set[str] | None = None

    def queries(self, resource: str) -> list[tuple[dict[str, Any], list[str] | None]]:
        """Return what a list is asked for, and the templates whose rows that may give (all where None)."""
        known = RESOURCES[resource].filters
        filters = {name: value for name, value in self.filters.items() if name in known}
        if self.after is not None and UPDATED_AFTER in known:
            filters[UPDATED_AFTER] = self.after.isoformat()
        if self.template_ids is not None and TEMPLATE_FILTER in known:
            return [({**filters, TEMPLATE_FILTER: each}, [each]) for each in self.template_ids]
        return [(filters, self.template_ids)]

    def lists(self) -> list[str]:
        """Name the lists to read."""
        tables = {"report-requests": {"report_requests"}, "reports": {"reports", "field_values"}}
        return [name for name, of_list in tables.items() if of_list & {*self.wanted} or self.embedded is not None]


class Sections:
    """Reads the sections of templates, for what field values need of them.

    :param known: learns them.
    """

    def __init__(self, client: ReadingClient, known: Templates) -> None:
        self._client = client
        self._known = known
        self._decoder = RecordDecoder(SECTION)

    def complete(self, templates: Iterable[tuple[str, Sequence[Any] | None]]) -> list[tuple[str, Sequence[Any]]]:
        """Give each template's sections, fetched where they did not come with it."""
        complete = list(
            self._client.complete(
                list(templates), lambda each: each[1] is not None, lambda each: (each[0], self._fetch(each[0]))
            )
        )
        for template, sections in complete:
            self._known.add(template, sections or ())
        return [(template, sections or ()) for template, sections in complete]

    def _fetch(self, template: str) -> list[Any]:
        path = "/" + str(RESOURCES["report-templates"].details_path).format(id=quoted(template))
        try:
            return [row for page in self._client.iter_pages(path, decode=self._decoder.page) for row in page]
        except OpenESGApiError as error:
            if error.status not in (403, 404, 410):
                raise
            raise OpenESGContractError(
                f"Report template {template}: its sections cannot be read, so no value of it has a name and a type: "
                f"{error}. "
                "Ask for the right to read the template, or choose other ones (templates)."
            ) from error


class Lists:
    """Reads the lists of a pull."""

    def __init__(self, client: ReadingClient, pull: Pull) -> None:
        self._client = client
        self._pull = pull
        self._sections = Sections(client, pull.templates)

    def batches(self) -> Batches:
        """Give the batches of the lists' tables, the lists taking turns."""
        of_list = {"report-requests": self._report_requests, "reports": self._reports}
        return in_turn(*(of_list[name]() for name in self._pull.lists()))

    def _batches(self, table: str, rows: Iterable[Any]) -> Batches:
        for batch in builders.batches(table, rows, self._pull.summary):
            yield table, batch

    def _embedded_organizations(self, rows: Iterable[Any]) -> Batches:
        if self._pull.embedded is None:
            return
        new: dict[str, Any] = {}
        for row in rows:
            organization = field_of(row, "organization")
            number = as_text(organization)
            if isinstance(organization, Struct) and number is not None and number not in self._pull.embedded:
                new[number] = organization
        self._pull.embedded |= new.keys()
        yield from self._batches("organizations", new.values())

    def _report_requests(self) -> Batches:
        for seen, rows in self._pages("report-requests", RecordDecoder(REPORT_REQUEST)):
            yield from self._embedded_organizations(seen)
            yield from self._batches("report_requests", rows)

    def _reports(self) -> Batches:
        decoder = RecordDecoder(REPORT)
        gathered: list[Any] = []
        for seen, rows in self._pages("reports", decoder):
            yield from self._embedded_organizations(seen)
            if "field_values" in self._pull.wanted and not all(map(_has_values, rows)):
                rows = list(self._client.complete(rows, _has_values, partial(self._fetch_report, decoder)))
            gathered += rows
            if builders.is_enough(gathered):
                yield from self._of_reports(gathered)
                gathered = []
        if gathered:
            yield from self._of_reports(gathered)

    def _of_reports(self, rows: Sequence[Any]) -> Batches:
        yield from self._batches("reports", rows)
        if "field_values" in self._pull.wanted:
            templates, summary = self._pull.templates, self._pull.summary
            ids = {as_text(field_of(row, "template")): None for row in rows if row.field_values}
            self._sections.complete([(each, None) for each in ids if each is not None and each not in templates])
            batches = list(builders.field_values(rows, templates, summary))
            # Wherever there are reports, a batch of values follows, as what is made of both has to know its end.
            for batch in batches or [pa.RecordBatch.from_pylist([], builders.UNTYPED)]:
                yield "field_values", batch

    def _fetch_report(self, decoder: RecordDecoder, row: Any) -> Any:
        report = self._client.get(f"{RESOURCES['reports'].path}/{quoted(row.id)}", decoder.record)
        if report.field_values is UNSET:
            raise OpenESGContractError(f"report {row.id}: neither its list nor its own record has 'field_values'.")
        return report

    def _pages(self, resource: str, decoder: RecordDecoder) -> Iterator[tuple[list[Any], list[Any]]]:
        """Give each page's rows: all that came, and those that are wanted."""
        pull, known = self._pull, RESOURCES[resource].filters
        if pull.after is not None:
            log.info(_ASKED if UPDATED_AFTER in known else _NO_FILTER, resource, pull.after.isoformat())
        others = {name: _texts(value) for name, value in pull.filters.items() if name not in known}
        came = wanted = timeless = 0
        for query, templates in pull.queries(resource):
            for page in self._client.iter_pages(resource, filters=query, decode=decoder.page):
                # Even where the list is filtered: one that ignored a filter would give each row several times, or the
                # unchanged ones as well.
                rows = [
                    row
                    for row in page
                    if (templates is None or as_text(field_of(row, _TEMPLATE_OF[resource])) in templates)
                    and all(_filtered_by(resource, row, name) in values for name, values in others.items())
                    and self._has_changed(row)
                ]
                came, wanted = came + len(page), wanted + len(rows)
                timeless += pull.after is not None and sum(as_moment(row.updated_at) is None for row in rows)
                yield page, rows
        if pull.after is not None:
            log.info("%s: %d of %d rows changed after %s", resource, wanted, came, pull.after.isoformat())
            if timeless:
                log.warning("%s: %d of these have no updated_at: they are read every time", resource, timeless)

    def _has_changed(self, row: Any) -> bool:
        moment, after = as_moment(row.updated_at), self._pull.after
        self._pull.summary.saw_change(moment)
        return after is None or moment is None or moment > after


def _filtered_by(resource: str, row: Any, name: str) -> str | None:
    """Return what a filter that the list does not take is compared with."""
    is_own_id = resource == "report-requests" and name == "report_request"
    field = _TEMPLATE_OF[resource] if name == TEMPLATE_FILTER else name
    return as_text(row.id if is_own_id else field_of(row, field))


def _texts(value: Any) -> set[str]:
    return {str(each) for each in (value if isinstance(value, list | tuple | set) else [value])}


def _has_values(report: Any) -> bool:
    return report.field_values is not UNSET and report.field_values is not None
