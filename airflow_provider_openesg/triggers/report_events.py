"""OpenESGReportEventTrigger: one asset event per report that reaches a status."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_openesg.api import SUBMITTED_STATUSES, reference
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.parameters import (
    check_filters,
    check_poke_interval,
    check_statuses,
    plain_filters,
)
from airflow_provider_openesg.reports.source import with_template_id
from airflow_provider_openesg.triggers.event_store import (
    WATCHER,
    AssetStore,
    SeenReports,
    Store,
    VariableStore,
)
from airflow_provider_openesg.version_compat import AIRFLOW, AIRFLOW_3, AIRFLOW_3_3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient

LONGEST_BACKOFF = 3600.0
"""Maximum seconds between two polls that fail."""

SAVE_AFTER = 30.0
"""Seconds from an event to the storing of its id. The triggerer writes an event to the database after the generator has
resumed, usually within two seconds, and reports nothing back. An id stored earlier could outlive a lost event."""


class OpenESGReportEventTrigger(BaseEventTrigger):
    """For ``AssetWatcher`` (Airflow 3): one asset event per report that reaches one of ``statuses``.

    Reports that already have the status at the first poll trigger no event. Ids of reports that had their event are
    stored in the asset's state store (Airflow 3.3) or in Variables (3.0 to 3.2, and if several assets share the
    trigger). Delivery is at least once: a restart of the triggerer repeats the events of the last
    :data:`SAVE_AFTER` seconds and of the last poll, with an equal ``event_id``.

    The event's payload: ``event_id``, ``report_id``, ``report_request_id``, ``organization_id``, ``organization``,
    ``template_id``, ``template`` (its key), ``customer_identifier``, ``status``, ``time`` (when it was
    submitted, else last changed), ``watcher``.

    :param statuses: ``submitted`` and ``accepted`` where not given.
    :param filters: which reports, such as ``{"template": "vsme"}``; all where None.
    :param poke_interval: seconds between two looks, each of which reads the lists of reports in ``statuses``.
    :param openesg_conn_id: Connection of type ``openesg``.
    :raises OpenESGConfigError: a parameter that cannot be used, or an Airflow without watchers.
    """

    def __init__(
        self,
        *,
        statuses: Sequence[str] = SUBMITTED_STATUSES,
        filters: Mapping[str, Any] | None = None,
        poke_interval: float = 60,
        openesg_conn_id: str = OpenESGHook.default_conn_name,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not AIRFLOW_3:
            raise OpenESGConfigError(
                f"OpenESGReportEventTrigger: needs the asset watchers of Airflow 3, and this is Airflow {AIRFLOW}. "
                "Wait with OpenESGReportSensor, or schedule a DAG that reads what was submitted since."
            )
        check_statuses(statuses)
        check_poke_interval(poke_interval)
        selected: Any = {} if filters is None else filters
        if isinstance(selected, list) and all(isinstance(each, list) for each in selected):
            selected = dict(selected)  # as serialize() hands them over
        check_filters(selected)
        if "status" in selected:
            raise OpenESGConfigError("filters: status given; that is what statuses are for.")
        # In one order: Airflow takes a watcher that serializes otherwise for another one.
        self.statuses = sorted(statuses)
        self.filters = plain_filters(selected)
        self.poke_interval = poke_interval
        self.openesg_conn_id = openesg_conn_id
        self._template_keys: dict[str, str | None] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what a triggerer makes the same watcher from; nothing secret.

        Filters as pairs: Airflow 3.2 garbles a dict here (str() of the keys of its own envelope).
        """
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "statuses": self.statuses,
            "filters": [[name, value] for name, value in self.filters.items()],
            "poke_interval": self.poke_interval,
            "openesg_conn_id": self.openesg_conn_id,
        }

    @property
    def watcher(self) -> str:
        """A name for what is watched: the same, however often it looks."""
        watched = [self.statuses, self.filters, self.openesg_conn_id]
        return WATCHER + hashlib.sha256(json.dumps(watched, sort_keys=True).encode()).hexdigest()[:12]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll indefinitely. No error ends the trigger: Airflow would restart it within a second."""
        seen: SeenReports | None = None
        pending: dict[str, float] = {}  # ids of yielded events, and when they were yielded
        failures = 0
        while True:
            try:
                if seen is None:
                    loading = SeenReports(await self._store(), self.watcher)
                    started = await loading.load()
                    reports = await sync_to_async(self._look, thread_sensitive=False)()
                    if not started:
                        await loading.begin(report["report_id"] for report in reports)
                        self.log.info("First poll: %d reports have the status and trigger no event.", len(reports))
                    seen = loading
                else:
                    due = [each for each, at in pending.items() if time.monotonic() - at >= SAVE_AFTER]
                    await seen.save(due)
                    for each in due:
                        del pending[each]
                    reports = await sync_to_async(self._look, thread_sensitive=False)()
            except Exception as error:
                failures += 1
                delay = min(self.poke_interval * 2**failures, LONGEST_BACKOFF)
                message = "Poll for %s with filters %s failed, %d in a row; next in %.0f s: %s"
                self.log.warning(message, ", ".join(self.statuses), self.filters, failures, delay, error)
                await asyncio.sleep(delay)
                continue
            failures = 0
            new = seen.new([report["report_id"] for report in reports])
            for report in reports:
                if report["report_id"] in new:
                    yield TriggerEvent(report)  # type: ignore[no-untyped-call]
                    seen.add([report["report_id"]])
                    pending[report["report_id"]] = time.monotonic()
            await asyncio.sleep(self.poke_interval)

    async def _store(self) -> Store:
        """Return the state store of the asset, or Variables if there is none for exactly one asset."""
        if AIRFLOW_3_3 and self.asset_state_store is not None:
            store = AssetStore(self.asset_state_store)
            try:
                await store.get(self.watcher)
            except ValueError:  # several assets
                return VariableStore()
            return store
        return VariableStore()

    def _look(self) -> list[dict[str, Any]]:
        """Read the reports that are in one of the statuses, the first to reach it first."""
        with OpenESGHook(self.openesg_conn_id) as hook:
            client = hook.client
            filters = with_template_id(client, self.filters)
            found: dict[str, dict[str, Any]] = {}
            for status in self.statuses:
                for page in client.iter_pages("reports", filters={**filters, "status": status}):
                    # A platform that does not know the filter gives all reports.
                    rows = [row for row in page if row.get("status") in self.statuses]
                    found |= {str(row["id"]): self._payload(client, row) for row in rows}
        return sorted(found.values(), key=lambda each: (each["time"] or "", str(each["report_id"])))

    def _payload(self, client: OpenESGClient, row: Mapping[str, Any]) -> dict[str, Any]:
        organization, template = row.get("organization"), reference(row, "template")
        return {
            # Not the status: a report has one event per watcher, whichever of the statuses a repeated delivery reads.
            "event_id": f"{self.watcher}_{row['id']}",
            "watcher": self.watcher,
            "report_id": str(row["id"]),
            "report_request_id": _text(reference(row, "report_request")),
            "organization_id": _text(reference(row, "organization")),
            "organization": organization.get("name") if isinstance(organization, dict) else None,
            "template_id": _text(template),
            "template": self._template_key(client, template),
            "customer_identifier": row.get("customer_identifier"),
            "status": row["status"],
            "time": row.get("submitted_at") or row.get("updated_at"),
        }

    def _template_key(self, client: OpenESGClient, template: Any) -> str | None:
        if str(template) not in self._template_keys:
            known = (row for page in client.iter_pages("report-templates") for row in page)
            # One that the list does not show has no key; it is not asked for again.
            self._template_keys |= {str(template): None, **{str(row["id"]): row.get("key") for row in known}}
        return self._template_keys[str(template)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
