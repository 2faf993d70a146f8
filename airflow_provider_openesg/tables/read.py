"""Read tables: make the requests that they need, and yield record batches."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.client.parallel import read_ahead
from airflow_provider_openesg.client.source import read_template_ids, single_ids, template_ids, with_template_id
from airflow_provider_openesg.exceptions import OpenESGNotFoundError
from airflow_provider_openesg.filters import check_filters
from airflow_provider_openesg.parameters import check_choice, check_names, check_templates, read_updated_after
from airflow_provider_openesg.records import ORGANIZATION, TEMPLATE
from airflow_provider_openesg.tables import TABLES, builders, filtered_lists
from airflow_provider_openesg.tables.column_check import check_columns
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text
from airflow_provider_openesg.tables.lists import Lists, Pull, started_worker
from airflow_provider_openesg.tables.number_forms import NumberForms
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.tables.sections import Sections
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.tables.lists import Batches

log = logging.getLogger(__name__)

SHOWN = 20
"""Maximum number of records that a message lists."""

_TEMPLATE_TABLES = {"report_templates", "sections", "field_types", "field_values"}
"""Tables that the templates are needed for."""


def iter_tables(
    client: OpenESGClient,
    tables: Iterable[str] | None = None,
    *,
    templates: Iterable[str | int] | None = None,
    updated_after: date | str | None = None,
    filters: Mapping[str, Any] | None = None,
    summary: Summary | None = None,
) -> Batches:
    """Read tables with as few requests as possible.

    :param tables: list of names in :data:`~airflow_provider_openesg.tables.TABLES`; all by default.
    :param templates: list of keys or ids of templates; reports and requests of other templates are left out. All by
        default.
    :param updated_after: time of change after which reports and requests are read: ``datetime``, ``date`` or text in
        ISO 8601, in UTC if it has no time zone. Rows without ``updated_at`` are always read, as they may have changed.
        Empty text and ``"None"``, which Jinja renders from nothing, mean no limit.
    :param filters: query parameters of the lists of reports and report requests; each list gets those that it takes.
    :param summary: filled while reading: rows, malformed values, high-water mark.
    :return: pairs of table name and record batch. Every table has at least one batch; batches of different tables may
        alternate.
    :raises OpenESGConfigError: if a table, filter or template is not known, or ``updated_after`` is not a time.
    :raises OpenESGContractError: if the platform's responses do not match its API.
    """
    if tables is not None:
        check_names("tables", tables, TABLES)
    wanted = [name for name in TABLES if tables is None or name in tables]
    selected = check_templates(templates)
    filters = {} if filters is None else filters
    check_filters(filters, filtered_lists(wanted), templates=selected)
    summary = Summary() if summary is None else summary
    summary.differences = client.differences
    pull = Pull(wanted, dict(filters), read_updated_after(updated_after), summary, Templates(), client.api)
    return _Reading(client, pull, selected).batches()


class _Reading:
    def __init__(self, client: OpenESGClient, pull: Pull, selected: Sequence[str] | None) -> None:
        self._client = client
        self._pull = pull
        self._selected = selected
        self._numbers = NumberForms(pull.api.values.point, pull.summary.differences)

    def batches(self) -> Batches:
        """Yield all batches; an empty batch of each table without rows comes last."""
        if "template" in self._pull.filters:
            self._pull.templates.ids = single_ids(ids := read_template_ids(self._client))
            self._pull.filters = with_template_id(self._client, self._pull.filters, ids)
        empty = dict.fromkeys(self._pull.wanted)
        for table, batch in self._all():
            if table in self._pull.wanted:
                empty.pop(table, None)
                yield table, self._typed(batch) if table == "field_values" else batch
        for table in empty:
            yield table, pa.RecordBatch.from_pylist([], SCHEMAS[table])
        self._report_forbidden()
        check_columns(self._pull.summary, self._pull.api)
        self._pull.summary.differences.log()
        self._pull.summary.log()

    def _report_forbidden(self) -> None:
        forbidden = list(dict.fromkeys(self._client.forbidden))
        if forbidden:
            more = f" and {len(forbidden) - SHOWN} more" if len(forbidden) > SHOWN else ""
            self._pull.summary.differences.add(
                f"{len(forbidden)} records may not be read by this client (403), so their rows have only what the list "
                f"has: {', '.join(forbidden[:SHOWN])}{more}"
            )

    def _typed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return builders.typed_values(batch, self._pull.summary, self._pull.templates, self._numbers)

    def _all(self) -> Batches:
        selection = self._pull.selection("reports")
        with ExitStack() as stack:
            reads_templates = self._selected is not None or bool(_TEMPLATE_TABLES & {*self._pull.wanted})
            if reads_templates:  # requested while organizations are read
                stack.enter_context(self._client.prefetch("report-templates"))
            # The lists of selected templates are requested with template ids, which are not known yet.
            worker = None
            if self._selected is None:
                worker = stack.enter_context(started_worker(self._client, self._pull, selection))
            if "organizations" in self._pull.wanted:
                yield from self._organizations()
            if reads_templates:
                yield from self._of_templates()
            worker = worker or stack.enter_context(started_worker(self._client, self._pull, selection))
            yield from read_ahead(Lists(self._client, self._pull, selection, worker).batches(), 4)

    def _organizations(self) -> Batches:
        try:
            decoder = RecordDecoder(ORGANIZATION, self._client.api, self._client.differences, "organizations")
            for page in self._client.iter_pages("organizations", decode=decoder.page):
                for batch in builders.batches("organizations", page, self._pull.summary):
                    yield "organizations", batch
        except OpenESGNotFoundError as error:
            log.info("%s. Organizations are read from the reports and requests that contain them.", error)
            self._pull.embedded = set()

    def _of_templates(self) -> Batches:
        pull, summary = self._pull, self._pull.summary
        decoder = RecordDecoder(TEMPLATE, pull.api, summary.differences, "report-templates")
        rows = [row for page in self._client.iter_pages("report-templates", decode=decoder.page) for row in page]
        pull.templates.ids = single_ids(template_ids((row.id, as_text(row.key)) for row in rows))
        if self._selected is not None:
            rows = _chosen(rows, self._selected)
            pull.selected = {str(row.id): as_text(row.key) for row in rows}
        for batch in builders.batches("report_templates", rows, summary):
            yield "report_templates", batch
        sections = Sections(self._client)
        if {"sections", "field_types"} & {*self._pull.wanted}:
            for template, of_template in sections.complete([(str(row.id), row.sections or None) for row in rows]):
                pull.templates.add(template, of_template)
                for batch in builders.sections(template, of_template, summary):
                    yield "sections", batch
                for batch in builders.field_types(template, of_template, summary):
                    yield "field_types", batch
        else:
            for template, of_template in sections.complete(
                [(str(row.id), row.sections) for row in rows if row.sections]
            ):
                pull.templates.add(template, of_template)


def _chosen(rows: Sequence[Any], selected: Sequence[str]) -> list[Any]:
    """Return the templates with the selected ids or keys."""
    ids = template_ids((row.id, as_text(row.key)) for row in rows)
    for each in selected:
        check_choice("templates", each, ids)
    chosen = {id_ for each in selected for id_ in ids[each]}
    return [row for row in rows if row.id in chosen]
