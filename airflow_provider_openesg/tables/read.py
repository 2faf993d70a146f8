"""From a client to the tables: which calls are needed, which rows are wanted, in batches of one page or several."""

from __future__ import annotations

import difflib
import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_openesg.api import RESOURCES
from airflow_provider_openesg.client.parallel import ahead
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGNotFoundError
from airflow_provider_openesg.tables import TABLES, builders
from airflow_provider_openesg.tables.decoder import RecordDecoder, as_text
from airflow_provider_openesg.tables.lists import TEMPLATE_FILTER, Pull, Sections
from airflow_provider_openesg.tables.record_types import ORGANIZATION, TEMPLATE
from airflow_provider_openesg.tables.schemas import SCHEMAS
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates
from airflow_provider_openesg.tables.worker import reader_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.tables.lists import Batches

log = logging.getLogger(__name__)

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
    if selected == []:
        raise OpenESGConfigError("Templates: none given; leave it out for all, or name some by key or id.")
    given = dict(filters or {})
    _check_filters(given, wanted, selected)
    pull = Pull(wanted, given, _moment(updated_after), Summary() if summary is None else summary, Templates())
    return _Reading(client, pull, selected).batches()


class _Reading:
    def __init__(self, client: OpenESGClient, pull: Pull, selected: Sequence[str] | None) -> None:
        self._client = client
        self._pull = pull
        self._selected = selected

    def batches(self) -> Batches:
        """Give all batches; those of tables that turned out to have no rows come last."""
        empty = dict.fromkeys(self._pull.wanted)
        for table, batch in self._all():
            if table in self._pull.wanted:
                empty.pop(table, None)
                yield table, builders.typed_values(batch, self._pull.summary) if table == "field_values" else batch
        for table in empty:
            yield table, pa.RecordBatch.from_pylist([], SCHEMAS[table])
        self._pull.summary.log()

    def _all(self) -> Batches:
        with ExitStack() as opened:
            reads_templates = self._selected is not None or bool(_TEMPLATE_TABLES & {*self._pull.wanted})
            if reads_templates:  # while organizations are read
                opened.enter_context(self._client.begun("report-templates"))
            # Lists that are asked for one template have to wait until its id is known.
            reader = None if self._selected is not None else opened.enter_context(reader_of(self._client, self._pull))
            if "organizations" in self._pull.wanted:
                yield from self._organizations()
            if reads_templates:
                yield from self._of_templates()
            reader = reader or opened.enter_context(reader_of(self._client, self._pull))
            yield from ahead(reader().batches(), 4)

    def _organizations(self) -> Batches:
        try:
            for page in self._client.iter_pages("organizations", decode=RecordDecoder(ORGANIZATION).page):
                for batch in builders.batches("organizations", page, self._pull.summary):
                    yield "organizations", batch
        except OpenESGNotFoundError as error:
            log.info("%s. Organizations are read from the reports and requests that name them.", error)
            self._pull.embedded = set()

    def _of_templates(self) -> Batches:
        decoder, summary = RecordDecoder(TEMPLATE), self._pull.summary
        rows = [row for page in self._client.iter_pages("report-templates", decode=decoder.page) for row in page]
        if self._selected is not None:
            rows = _chosen(rows, self._selected)
            self._pull.template_ids = [str(row.id) for row in rows]
        for batch in builders.batches("report_templates", rows, summary):
            yield "report_templates", batch
        sections = Sections(self._client, self._pull.templates)
        if {"sections", "field_types"} & {*self._pull.wanted}:
            for template, of_template in sections.complete([(str(row.id), row.sections or None) for row in rows]):
                for batch in builders.sections(template, of_template, summary):
                    yield "sections", batch
                for batch in builders.field_types(template, of_template, summary):
                    yield "field_types", batch
        else:
            sections.complete([(str(row.id), row.sections) for row in rows if row.sections])


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
