"""Read the long lists of a pull, reports and report requests, page by page into record batches."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from airflow_provider_openesg.api import ID, UPDATED_AFTER, Api
from airflow_provider_openesg.client.details import Decoders, RowParts, read_parts
from airflow_provider_openesg.client.envelope import at, find, rows_of, total_of
from airflow_provider_openesg.client.parallel import interleaved
from airflow_provider_openesg.client.source import read_template_ids, single_ids
from airflow_provider_openesg.exceptions import OpenESGApiError
from airflow_provider_openesg.filters import filter_texts, filters_of
from airflow_provider_openesg.records import FIELD_VALUE, REPORT_REQUEST
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.cpus import usable_cpus
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text, field_of
from airflow_provider_openesg.tables.remote_page import RemoteRow
from airflow_provider_openesg.tables.report_builder import ReportBuilder, Selection, template_of
from airflow_provider_openesg.tables.sections import Sections
from airflow_provider_openesg.tables.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    from requests import Response

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.envelope import Decode
    from airflow_provider_openesg.tables.report_builder import DecodedPage
    from airflow_provider_openesg.tables.summary import Summary
    from airflow_provider_openesg.tables.template_lookup import Templates

    Batches = Generator[tuple[str, pa.RecordBatch]]

log = logging.getLogger(__name__)

WORKER_BYTES = 64 * 1024 * 1024
"""Size of a list from which a worker process is started: about 4,000 reports of 60 field values."""

WORKER_WAIT = 0.0
"""Seconds to wait for the worker process at each page. Until it has started, the task process decodes the pages."""


@dataclass(slots=True)
class Pull:
    """The wanted rows of the lists, and the data from earlier requests that reading them needs.

    :param wanted: names of tables.
    :param filters: query parameters; each list gets those that it takes.
    :param after: only rows that changed later.
    :param summary: filled while reading.
    :param templates: sections and field types of the templates read so far.
    :param api: what is assumed, or what the user wrote down.
    :param selected: key of each template to read by its id; all if it is ``None``.
    :param embedded: ids of organizations that other records contained so far; ``None`` if organizations have a list.
    """

    wanted: Sequence[str]
    filters: Mapping[str, Any]
    after: datetime | None
    summary: Summary
    templates: Templates
    api: Api
    selected: dict[str, str | None] | None = None
    embedded: set[str] | None = None

    def queries(self, resource: str) -> list[tuple[dict[str, Any], list[str] | None]]:
        """Return the filters of each query of a list, and ids and keys of the templates of its rows (``None``: all)."""
        known = {*filters_of(resource)}
        filters = {name: value for name, value in self.filters.items() if name in known}
        if self.after is not None and UPDATED_AFTER in self.api.filter_names(resource):
            filters[UPDATED_AFTER] = self.after.isoformat()
        if self.selected is None:
            return [(filters, None)]
        if ID in filters or "template" not in self.api.filter_names(resource):
            return [(filters, [text for pair in self.selected.items() for text in pair if text])]
        return [
            ({**filters, "template": id_}, [text for text in (id_, key) if text]) for id_, key in self.selected.items()
        ]

    def selection(self, resource: str) -> Selection:
        """Return the selection of a list's rows."""
        allowed = {name: {*filter_texts(name, value)} for name, value in self.filters.items()}
        if "template" in allowed:
            keys = {key for key, id_ in self.templates.ids.items() if id_ in allowed["template"]}
            allowed["template"] |= keys
        return Selection(resource, self.after, allowed)

    def lists(self) -> list[str]:
        """Return the names of the lists to read."""
        tables = {"report-requests": {"report_requests"}, "reports": {"reports", "field_values"}}
        return [name for name, of_list in tables.items() if of_list & {*self.wanted} or self.embedded is not None]


@contextmanager
def started_worker(client: OpenESGClient, pull: Pull, selection: Selection) -> Iterator[Callable[[], Worker | None]]:
    """Request the first page of reports, and start a worker process if the list is long.

    :param selection: selection of the reports.
    :return: a function that returns the worker process if it has started.
    """
    queries = [query for query, _ in pull.queries("reports")] if "reports" in pull.lists() else []
    if usable_cpus() < 2 or not queries or ID in queries[0]:
        yield lambda: None
        return
    with client.prefetch("reports", filters=queries[0]) as first:
        pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-worker")
        start = pool.submit(_start_worker, first, pull, selection)

        def ready() -> Worker | None:
            with suppress(TimeoutError):
                worker = start.result(WORKER_WAIT)
                return worker if worker and worker.is_ready(WORKER_WAIT) else None
            return None

        try:
            yield ready
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            start.add_done_callback(_close_worker)


def _start_worker(first: Future[Response], pull: Pull, selection: Selection) -> Worker | None:
    try:
        return (
            Worker(selection, "field_values" in pull.wanted, pull.summary, pull.api)
            if _is_long(first.result().content, pull.api)
            else None
        )
    except OpenESGApiError:
        return None  # the list is requested again, in smaller pages
    except OSError as error:
        log.warning("The worker process cannot be started (%s): the task decodes all pages.", error)
        return None


def _close_worker(start: Future[Worker | None]) -> None:
    if not start.cancelled() and start.exception() is None and (worker := start.result()):
        worker.close()


def _is_long(body: bytes, api: Api) -> bool:
    """Return whether a list is worth a worker process, judged by its first page."""
    with suppress(msgspec.MsgspecError, ValueError, ZeroDivisionError):
        content = msgspec.json.decode(body)
        found = find(content, api.envelope)
        total = total_of(at(content, found.total)) or 0
        return len(body) * total // len(rows_of(content, found)) >= WORKER_BYTES
    return False


class Lists:
    """Read the lists of a pull.

    :param worker: function that returns the worker process if it has started.
    """

    def __init__(
        self, client: OpenESGClient, pull: Pull, selection: Selection, worker: Callable[[], Worker | None]
    ) -> None:
        self._client = client
        self._pull = pull
        self._sections = Sections(client)
        self._selection = selection
        self._start = worker
        self._worker: Worker | None = None
        self._changed_templates: Templates | None = pull.templates
        self._with_values = "field_values" in pull.wanted
        self._builder = ReportBuilder(self._with_values, pull.templates, pull.summary, pull.api)
        self._values = RecordDecoder(FIELD_VALUE, pull.api, pull.summary.differences)
        self._parts = RowParts(client, "reports")

    def batches(self) -> Batches:
        """Yield the batches of the lists' tables, interleaved."""
        readers = {"report-requests": self._report_requests, "reports": self._reports}
        return interleaved(*(readers[name]() for name in self._pull.lists()))

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
        pull = self._pull
        decoder = RecordDecoder(REPORT_REQUEST, pull.api, pull.summary.differences, "report-requests")
        selection = pull.selection("report-requests")
        for rows, templates in self._pages(selection, lambda _, body: partial(decoder.page, body)):
            yield from self._embedded_organizations(rows)
            selected = selection.select(rows, templates, pull.summary)
            self._resolve({template_of(row, "report-requests") for row in selected})
            for batch in builders.batches("report_requests", selected, pull.summary, pull.templates):
                yield "report_requests", batch
        self._log_counts(selection)

    def _reports(self) -> Batches:
        pull, builder, selection = self._pull, self._builder, self._selection
        for rows, templates in self._pages(selection, self._decode):
            remote = rows[0].page if isinstance(rows[0], RemoteRow) else None
            if remote and self._worker and self._is_whole(remote.decoded):
                yield from builder.flush()
                self._read_templates(remote.decoded.templates)
                yield from self._worker.build(rows, self._changed_templates)
                self._changed_templates = None
                continue
            if self._worker:
                yield from self._worker.build([], None)
            if remote:
                decoded = builder.decoder.page(remote.body).rows
                rows = [decoded[each.position] for each in rows]
            yield from self._embedded_organizations(rows)
            rows = selection.select(rows, templates, pull.summary)
            rows = list(self._client.complete(rows, self._is_complete, self._fetch_report))
            self._read_templates(builder.templates_of(rows))
            yield from builder.add(rows)
        if self._worker:
            yield from self._worker.build([], None)
        yield from builder.flush()
        self._log_counts(selection)

    def _decode(self, templates: Sequence[str] | None, body: bytes) -> Decode[Any]:
        """Start to decode a page, in the worker process if it has started.

        Embedded organizations are read in this process.
        """
        self._worker = self._worker or (self._start() if self._pull.embedded is None else None)
        return self._worker.page(body, templates) if self._worker else partial(self._builder.decoder.page, body)

    def _is_whole(self, page: DecodedPage) -> bool:
        """Return whether all reports of a page have their field values."""
        if page.has_values and self._parts.trusted is None:
            self._parts.trusted = True
        parts = self._parts
        is_believed = bool(parts.trusted) and (not page.has_doubtful or parts.is_confirmed)
        return page.is_complete and (not page.has_empty or is_believed)

    def _is_complete(self, report: Any) -> bool:
        status, progress = as_text(field_of(report, "status")), field_of(report, "progress")
        return not self._with_values or self._parts.is_complete(self._builder.parts_of(report), status, progress)

    def _read_templates(self, references: Iterable[str]) -> None:
        self._resolve(references)
        if not self._with_values:
            return
        ids = {self._pull.templates.id_of(each) or each for each in references}
        missing = [each for each in sorted(ids) if each not in self._pull.templates]
        if missing:
            for template, sections in self._sections.complete([(each, None) for each in missing]):
                self._pull.templates.add(template, sections)
            self._changed_templates = self._pull.templates

    def _resolve(self, references: Iterable[str | None]) -> None:
        """Read the list of templates if records name a template by its key."""
        known = self._pull.templates
        if not known.ids and any(each is not None and not each.isdecimal() for each in references):
            known.ids = single_ids(read_template_ids(self._client))
            self._changed_templates = known

    def _fetch_report(self, row: Any) -> Any:
        decoder, parts_of = self._builder.decoder, self._builder.parts_of
        decoders: Decoders[Any, Any] = Decoders(decoder.record, self._values.page, parts_of)
        report, values = read_parts(self._client, "reports", row.id, decoders)
        if parts_of(row) is not None:
            self._parts.confirm(values)
        report = row if report is None else report
        report.field_values = list(values)
        return report

    def _pages(
        self, selection: Selection, start: Callable[[Sequence[str] | None, bytes], Decode[Any]]
    ) -> Iterator[tuple[list[Any], Sequence[str] | None]]:
        """Yield each page's rows, and the templates whose rows are wanted. Log the counts at the end."""
        resource, after = selection.resource, self._pull.after
        if after is not None:
            log.info(
                "%s: the list is requested with changes after %s only"
                if UPDATED_AFTER in self._pull.api.filter_names(resource)
                else "%s: the list has no filter for changes after %s; all rows are read and filtered here",
                resource,
                after.isoformat(),
            )
        for name in selection.allowed:
            if name != ID and name not in self._pull.api.filter_names(resource):
                log.info("%s: the list has no filter %r; all rows are read and filtered here", resource, name)
        for query, templates in self._pull.queries(resource):
            for page in self._client.iter_pages(resource, filters=query, start=partial(start, templates)):
                yield page, templates

    def _log_counts(self, selection: Selection) -> None:
        counts, after = selection.counts, self._pull.after
        if counts["rows"] and not counts["selected"] and after is None:
            self._pull.summary.differences.add(
                f"{selection.resource}: the list has {counts['rows']} rows, but none matches templates and filters. "
                "Check them, and how the rows name their template (check of the Connection)."
            )
        if after is None:
            return
        log.info(
            "%s: %d of %d rows changed after %s",
            selection.resource,
            counts["selected"],
            counts["rows"],
            after.isoformat(),
        )
        if counts["without_time"]:
            log.warning(
                "%s: %d of these have no updated_at: they are read every time",
                selection.resource,
                counts["without_time"],
            )
