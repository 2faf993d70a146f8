"""OpenESGReportEventTrigger: one asset event per report that reaches a status."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_openesg import clock
from airflow_provider_openesg.api import SUBMITTED_STATUSES
from airflow_provider_openesg.client.source import reference, with_template_id
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.filters import check_filters, plain_filters
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.parameters import check_poke_interval, check_statuses
from airflow_provider_openesg.triggers.event_store import STORED_AFTER, EventStore
from airflow_provider_openesg.triggers.shared_polling import LONGEST_BACKOFF
from airflow_provider_openesg.version_compat import AIRFLOW, AIRFLOW_3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from airflow_provider_openesg.client.client import OpenESGClient

Payload = dict[str, Any]


class OpenESGReportEventTrigger(BaseEventTrigger):
    """Trigger for ``AssetWatcher`` (Airflow 3): one asset event per report that reaches one of ``statuses``.

    Reports that already have the status at the first poll get no event. Airflow Variables keep which reports had their
    event. An event may be repeated after a restart of the triggerer, with the same ``event_id``. It is lost only if a
    triggerer needs more than :data:`~.event_store.STORED_AFTER` seconds to store it and is then killed.

    Payload of an event: ``event_id``, ``report_id``, ``report_request_id``, ``organization_id``, ``organization``
    (name), ``template_id``, ``template`` (key), ``customer_identifier``, ``status``, ``time`` (when the report was
    submitted, else last changed), ``watcher`` (name of the Variables). All ids are text.

    :param statuses: statuses that cause an event; by default ``submitted`` and ``accepted``.
    :param filters: filters of the reports, such as ``{"template": "vsme"}``; all reports by default.
    :param poke_interval: seconds between two polls. A poll reads the lists of reports with these statuses.
    :param openesg_conn_id: Connection of type ``openesg``.
    :raises OpenESGConfigError: if a parameter cannot be used, or if Airflow has no asset watchers (2.11).
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
                f"OpenESGReportEventTrigger needs the asset watchers of Airflow 3; this is Airflow {AIRFLOW}. "
                "Use OpenESGReportSensor, or a scheduled DAG with updated_after='last_run'."
            )
        check_statuses(statuses)
        check_poke_interval(poke_interval)
        selected: Any = {} if filters is None else filters
        if isinstance(selected, list) and all(isinstance(each, list) and len(each) == 2 for each in selected):
            selected = dict(selected)  # the form that serialize() returns
        check_filters(selected)
        if "status" in selected:
            raise OpenESGConfigError("filters: status given; allowed: other filters. Use statuses for the status.")
        # Sorted, because Airflow treats a watcher with another serialization as another watcher.
        self.statuses = sorted(statuses)
        self.filters = plain_filters(selected)
        self.poke_interval = poke_interval
        self.openesg_conn_id = openesg_conn_id
        self._template_keys: dict[str, str | None] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments from which a triggerer creates the trigger; nothing secret.

        Filters are pairs, because Airflow 3.2 corrupts dicts in the arguments of watchers.
        """
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "statuses": self.statuses,
            "filters": [[name, value] for name, value in self.filters.items()],
            "poke_interval": self.poke_interval,
            "openesg_conn_id": self.openesg_conn_id,
        }

    @property
    def watcher(self) -> str:
        """Name of the watcher: the same for the same statuses, filters and Connection."""
        watched = [self.statuses, self.filters, self.openesg_conn_id]
        return "openesg_" + hashlib.sha256(json.dumps(watched, sort_keys=True).encode()).hexdigest()[:12]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll indefinitely and yield the events. Errors do not end it, because Airflow would restart it at once."""
        store, started, failures = EventStore(self.watcher), False, 0
        repeat: tuple[float, Payload] | None = None
        while True:
            try:
                started = started or await store.load()
                reports = await sync_to_async(self._poll, thread_sensitive=False)()
                if not started:
                    await store.start(report["report_id"] for report in reports)
                    started = True
                    self.log.info("Watching from now on; %d reports already have one of the statuses.", len(reports))
                await store.save()
            except Exception as error:
                failures += 1
                delay = min(self.poke_interval * 2**failures, LONGEST_BACKOFF)
                message = "Poll for %s with filters %s failed, %d in a row; next in %.0f s: %s"
                self.log.warning(message, ", ".join(self.statuses), self.filters, failures, delay, error)
                await asyncio.sleep(delay)
                continue
            failures = 0
            new = [report for report in reports if store.is_new(report["report_id"])]
            for report in new:
                yield TriggerEvent(report)  # type: ignore[no-untyped-call]
                store.add(report["report_id"])
            # A DAG run takes the events up to the time of the first event of a burst (apache/airflow#54659). Repeating
            # the last event starts one more run, which takes the others.
            if len(new) > 1:
                repeat = clock.monotonic() + STORED_AFTER, new[-1]
            elif repeat is not None and clock.monotonic() >= repeat[0]:
                yield TriggerEvent(repeat[1])  # type: ignore[no-untyped-call]
                repeat = None
            await asyncio.sleep(self.poke_interval)

    def _poll(self) -> list[Payload]:
        """Read the reports with one of the statuses, sorted by the time at which they reached it."""
        with OpenESGHook(self.openesg_conn_id) as hook:
            client = hook.client
            filters = with_template_id(client, self.filters)
            payloads: dict[str, Payload] = {}
            for status in self.statuses:
                for page in client.iter_pages("reports", filters={**filters, "status": status}):
                    # A platform that ignores the filter returns all reports.
                    rows = [row for row in page if row.get("status") in self.statuses]
                    payloads |= {str(row["id"]): self._payload(client, row) for row in rows}
        return sorted(payloads.values(), key=lambda each: (each["time"] or "", each["report_id"]))

    def _payload(self, client: OpenESGClient, row: Mapping[str, Any]) -> Payload:
        organization, template = row.get("organization"), _text(reference(row, "template"))
        return {
            "event_id": f"{self.watcher}-{row['id']}",
            "watcher": self.watcher,
            "report_id": str(row["id"]),
            "report_request_id": _text(reference(row, "report_request")),
            "organization_id": _text(reference(row, "organization")),
            "organization": organization.get("name") if isinstance(organization, dict) else None,
            "template_id": template,
            "template": None if template is None else self._template_key(client, template),
            "customer_identifier": row.get("customer_identifier"),
            "status": row["status"],
            "time": row.get("submitted_at") or row.get("updated_at"),
        }

    def _template_key(self, client: OpenESGClient, template: str) -> str | None:
        if template not in self._template_keys:
            rows = (row for page in client.iter_pages("report-templates") for row in page)
            # A template that is not in the list has no key; it is not requested again.
            self._template_keys |= {template: None, **{str(row["id"]): row.get("key") for row in rows}}
        return self._template_keys[template]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
