"""From a client to the tables: which calls are needed, which rows are wanted, in batches of one page or several."""

from __future__ import annotations

import difflib
import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import UNSET, Struct

from airflow_provider_openesg.api import RESOURCES, UPDATED_AFTER
from airflow_provider_openesg.client.client import quoted
from airflow_provider_openesg.client.parallel import in_turn
from airflow_provider_openesg.exceptions import (
    OpenESGApiError,
    OpenESGConfigError,
    OpenESGContractError,
    OpenESGNotFoundError,
)
from airflow_provider_openesg.tables import TABLES, builders
from airflow_provider_openesg.tables.columns import as_moment, as_text
from airflow_provider_openesg.tables.joins import Templates
from airflow_provider_openesg.tables.records import RecordDecoder, field_of
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.tables.shapes import ORGANIZATION, REPORT, REPORT_REQUEST, SECTION, TEMPLATE
from airflow_provider_openesg.tables.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient

    Batches = Generator[tuple[str, pa.RecordBatch]]

log = logging.getLogger(__name__)

TEMPLATE_FILTER = "report_template"
_TEMPLATE_OF = {"reports": "template", "report-requests": "report_template"}
"""The field that names a record's template."""

_TEMPLATE_TABLES = {"report_templates", "sections", "field_types", "field_values"}
"""Tables that the templates are needed for."""


def iter_tables(
    client: OpenESGClient,
    tables: Iterable[str] | None = None,
    *,
    templates: Iterable[str | int] | None = None,
    updated_after: datetime | str | None = None,
    filters: Mapping[str, Any] | None = None,
    summary: Summary | None = None,
) -> Batches:
    """Read tables, by as few calls as they need.

    :param tables: names of :data:`~airflow_provider_openesg.tables.TABLES`; all of them where it is None.
    :param templates: keys or ids of the templates to read; reports and requests of other templates are left out.
    :param updated_after: only reports and requests that changed later; text is ISO 8601, and a time without a zone is
        UTC. A row without ``updated_at`` is always read: no other time says that it has not changed. Empty text and
        ``"None"``, which templates render of nothing, mean no limit.
    :param filters: query parameters for the lists of reports and report requests, as far as each list takes them.
    :param summary: filled while reading: rows, malformed values, high-water mark.
    :return: table name and record batch, in turn. Every table has at least one batch; tables may take turns.
    :raises OpenESGConfigError: no such table, filter or template, or ``updated_after`` is no time.
    :raises OpenESGContractError: the platform's answers are not what its API is taken to be.
    """
    wanted = _checked_tables(tables)
    selected = (
        None
        if templates is None
        else [str(each) for each in ([templates] if isinstance(templates, str) else templates)]
    )
    given = dict(filters or {})
    _check_filters(given, wanted, selected)
    reading = _Reading(
        client, wanted, selected, _moment(updated_after), given, Summary() if summary is None else summary
    )
    return reading.batches()


class _Reading:
    def __init__(
        self,
        client: OpenESGClient,
        wanted: Sequence[str],
        selected: Sequence[str] | None,
        after: datetime | None,
        filters: Mapping[str, Any],
        summary: Summary,
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._selected = selected
        self._after = after
        self._filters = filters
        self._summary = summary
        self._templates = Templates()
        self._sections = RecordDecoder(SECTION)
        self._template_ids: list[str] | None = None
        self._embedded: set[str] | None = None

    def batches(self) -> Batches:
        """Give all batches; those of tables that turned out to have no rows come last."""
        empty = dict.fromkeys(self._wanted)
        for table, batch in self._all():
            if table in self._wanted:
                empty.pop(table, None)
                yield table, batch
        for table in empty:
            yield table, pa.RecordBatch.from_pylist([], SCHEMAS[table])
        self._summary.log()

    def _all(self) -> Batches:
        if "organizations" in self._wanted:
            yield from self._organizations()
        if self._selected is not None or _TEMPLATE_TABLES & {*self._wanted}:
            yield from self._of_templates()
        lists = []
        if "report_requests" in self._wanted or self._embedded is not None:
            lists.append(self._report_requests())
        if {"reports", "field_values"} & {*self._wanted} or self._embedded is not None:
            lists.append(self._reports())
        yield from in_turn(*lists)

    def _batches(self, table: str, rows: Iterable[Any]) -> Batches:
        for batch in builders.batches(table, rows, self._summary):
            yield table, batch

    def _organizations(self) -> Batches:
        try:
            for page in self._client.iter_pages("organizations", decode=RecordDecoder(ORGANIZATION).page):
                yield from self._batches("organizations", page)
        except OpenESGNotFoundError as error:
            log.info("%s. Organizations are read from the reports and requests that name them.", error)
            self._embedded = set()

    def _embedded_organizations(self, rows: Iterable[Any]) -> Batches:
        if self._embedded is None:
            return
        new: dict[str, Any] = {}
        for row in rows:
            organization = field_of(row, "organization")
            number = as_text(organization)
            if isinstance(organization, Struct) and number is not None and number not in self._embedded:
                new[number] = organization
        self._embedded |= new.keys()
        yield from self._batches("organizations", new.values())

    def _of_templates(self) -> Batches:
        decoder = RecordDecoder(TEMPLATE)
        rows = [row for page in self._client.iter_pages("report-templates", decode=decoder.page) for row in page]
        if self._selected is not None:
            rows = _chosen(rows, self._selected)
            self._template_ids = [str(row.id) for row in rows]
        yield from self._batches("report_templates", rows)
        if {"sections", "field_types"} & {*self._wanted}:
            for template, sections in self._with_sections([(str(row.id), row.sections or None) for row in rows]):
                for batch in builders.sections(template, sections, self._summary):
                    yield "sections", batch
                for batch in builders.field_types(template, sections, self._summary):
                    yield "field_types", batch
        else:
            self._with_sections([(str(row.id), row.sections) for row in rows if row.sections])

    def _with_sections(self, templates: Iterable[tuple[str, Sequence[Any] | None]]) -> list[tuple[str, Sequence[Any]]]:
        """Give each template's sections, fetched where they did not come with it, and keep what field values need."""
        complete = list(
            self._client.complete(
                list(templates), lambda each: each[1] is not None, lambda each: (each[0], self._fetch_sections(each[0]))
            )
        )
        for template, sections in complete:
            self._templates.add(template, sections or ())
        return [(template, sections or ()) for template, sections in complete]

    def _fetch_sections(self, template: str) -> list[Any]:
        path = "/" + str(RESOURCES["report-templates"].details_path).format(id=quoted(template))
        try:
            return [row for page in self._client.iter_pages(path, decode=self._sections.page) for row in page]
        except OpenESGApiError as error:
            if error.status not in (403, 404, 410):
                raise
            raise OpenESGContractError(
                f"Report template {template}: its sections cannot be read, so no value of it has a name and a type: "
                f"{error}. "
                "Ask for the right to read the template, or choose other ones (templates)."
            ) from error

    def _report_requests(self) -> Batches:
        for seen, rows in self._pages("report-requests", RecordDecoder(REPORT_REQUEST)):
            yield from self._embedded_organizations(seen)
            yield from self._batches("report_requests", rows)

    def _reports(self) -> Batches:
        decoder = RecordDecoder(REPORT)
        gathered: list[Any] = []
        for seen, rows in self._pages("reports", decoder):
            yield from self._embedded_organizations(seen)
            if "field_values" in self._wanted and not all(map(_has_values, rows)):
                rows = list(self._client.complete(rows, _has_values, partial(self._fetch_report, decoder)))
            gathered += rows
            if builders.is_enough(gathered):
                yield from self._of_reports(gathered)
                gathered = []
        if gathered:
            yield from self._of_reports(gathered)

    def _of_reports(self, rows: Sequence[Any]) -> Batches:
        yield from self._batches("reports", rows)
        if "field_values" in self._wanted:
            ids = {as_text(field_of(row, "template")): None for row in rows if row.field_values}
            self._with_sections([(each, None) for each in ids if each is not None and each not in self._templates])
            batches = list(builders.field_values(rows, self._templates, self._summary))
            # Wherever there are reports, a batch of values follows, as what is made of both has to know its end.
            for batch in batches or [pa.RecordBatch.from_pylist([], SCHEMAS["field_values"])]:
                yield "field_values", batch

    def _fetch_report(self, decoder: RecordDecoder, row: Any) -> Any:
        report = self._client.get(f"{RESOURCES['reports'].path}/{quoted(row.id)}", decoder.record)
        if report.field_values is UNSET:
            raise OpenESGContractError(f"report {row.id}: neither its list nor its own record has 'field_values'.")
        return report

    def _pages(self, resource: str, decoder: RecordDecoder) -> Iterator[tuple[list[Any], list[Any]]]:
        """Give each page's rows: all that came, and those that are wanted."""
        known = RESOURCES[resource].filters
        filters = {name: value for name, value in self._filters.items() if name in known}
        if self._after is not None:
            self._ask_for_changes(resource, filters, self._after)
        lists = [(filters, self._template_ids)]
        if self._template_ids is not None and TEMPLATE_FILTER in known:
            lists = [({**filters, TEMPLATE_FILTER: each}, [each]) for each in self._template_ids]
        others = {name: _texts(value) for name, value in self._filters.items() if name not in known}
        came = wanted = timeless = 0
        for query, templates in lists:
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
                timeless += self._after is not None and sum(as_moment(row.updated_at) is None for row in rows)
                yield page, rows
        if self._after is not None:
            log.info("%s: %d of %d rows changed after %s", resource, wanted, came, self._after.isoformat())
            if timeless:
                log.warning("%s: %d of these have no updated_at: they are read every time", resource, timeless)

    def _ask_for_changes(self, resource: str, filters: dict[str, Any], after: datetime) -> None:
        if UPDATED_AFTER in RESOURCES[resource].filters:
            filters[UPDATED_AFTER] = after.isoformat()
            log.info("%s: the list is asked for changes after %s", resource, after.isoformat())
        else:
            log.info(
                "%s: the list has no filter for changes after %s; it is read whole, unchanged rows are left out here",
                resource,
                after.isoformat(),
            )

    def _has_changed(self, row: Any) -> bool:
        moment = as_moment(row.updated_at)
        self._summary.saw_change(moment)
        return self._after is None or moment is None or moment > self._after


def _filtered_by(resource: str, row: Any, name: str) -> str | None:
    """Return what a filter that the list does not take is compared with."""
    is_own_id = resource == "report-requests" and name == "report_request"
    return as_text(row.id if is_own_id else field_of(row, name))


def _texts(value: Any) -> set[str]:
    return {str(each) for each in (value if isinstance(value, list | tuple | set) else [value])}


def _has_values(report: Any) -> bool:
    return report.field_values is not UNSET and report.field_values is not None


def _checked_tables(tables: Iterable[str] | None) -> list[str]:
    asked = list(TABLES if tables is None else [tables] if isinstance(tables, str) else tables)
    for name in asked:
        if name not in TABLES:
            raise OpenESGConfigError(f"Table {name!r}: not known. Known: {', '.join(TABLES)}.{_nearest(name, TABLES)}")
    if not asked:
        raise OpenESGConfigError(f"Tables: none given; leave it out for all, or name some of: {', '.join(TABLES)}.")
    return [name for name in TABLES if name in asked]


def _check_filters(filters: Mapping[str, Any], wanted: Sequence[str], selected: Sequence[str] | None) -> None:
    of_tables = {"reports": "reports", "field_values": "reports", "report_requests": "report-requests"}
    resources = {of_tables[table] for table in wanted if table in of_tables}
    known = {name: None for resource in sorted(resources) for name in RESOURCES[resource].filters}
    for name in filters:
        if name not in known:
            raise OpenESGConfigError(
                f"Filter {name!r}: not known for the tables asked for. Known: {', '.join(known) or 'none'}."
                f"{_nearest(name, known)}"
            )
        for resource in resources:
            if name not in RESOURCES[resource].filters:
                log.info(
                    "%s: the list has no filter %r; it is read whole, other rows are left out here", resource, name
                )
    if selected is not None and TEMPLATE_FILTER in filters:
        raise OpenESGConfigError(f"Filter {TEMPLATE_FILTER!r} and templates were both given; use templates.")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), known, 1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _chosen(rows: Sequence[Any], selected: Sequence[str]) -> list[Any]:
    names = {id(row): (str(row.id), as_text(row.key)) for row in rows}
    for each in selected:
        if not any(each in of_row for of_row in names.values()):
            keys = [key or number for number, key in names.values()]
            raise OpenESGConfigError(
                f"Template {each!r}: the platform has none of that key or id. It has: {', '.join(keys) or 'none'}."
                f"{_nearest(each, keys)}"
            )
    return [row for row in rows if {*names[id(row)]} & {*selected}]


def _moment(given: datetime | str | None) -> datetime | None:
    if given is None or (isinstance(given, str) and given.strip() in ("", "None")):
        return None
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(given.strip())
    except ValueError:
        raise OpenESGConfigError(
            f"updated_after: {given!r:.60} is not a time; allowed: ISO 8601, such as 2026-01-31T00:00:00+00:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
