"""A listener that Airflow calls while it stores an event: in the triggerer's main process, in the event's transaction.

It keeps the report's id: both are there, or neither. The triggerer stores an event a second or so after the trigger has
made it. Kept before that, an event would be lost where the triggerer is killed in between; kept after it, it would be
made twice.

It renews the places of the asset's DAGs in Airflow's queue. A run takes the events up to the time of its place, which
Airflow leaves at that of the first event: the others of a burst would wait for whatever comes next, for days it may be
(https://github.com/apache/airflow/issues/54659, https://github.com/apache/airflow/pull/62501).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from airflow_provider_openesg.triggers.event_store import WATCHER, in_asset_store, key_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@hookimpl
def on_asset_changed(asset: Any) -> None:  # noqa: ARG001 - Airflow's signature
    """Attend to one of our events; what fails here leaves the event as it is."""
    from airflow import settings
    from airflow.models.asset import AssetEvent

    assert settings.Session is not None, "Airflow stores an event without a database"
    session = settings.Session()  # this thread's: the one that stores the event, as long as a trigger has made it
    stored = [each for each in session if isinstance(each, AssetEvent)]
    if not stored:
        return
    event = max(stored, key=lambda each: each.id)
    payload: Any = (event.extra or {}).get("payload")
    if not isinstance(payload, dict) or "report_id" not in payload:
        return
    watcher = payload.get("watcher")
    if not isinstance(watcher, str) or not watcher.startswith(WATCHER):
        return
    key, report_id = key_of(watcher, payload["report_id"]), str(payload["report_id"])
    with session.begin_nested():
        _renew_places(session, event.asset_id)
        if in_asset_store():
            _keep_in_asset_store(session, event.asset_id, key, report_id)
        else:
            _keep_in_variable(session, key, report_id)


def _renew_places(session: Session, asset_id: int) -> None:
    from airflow.models.asset import AssetDagRunQueue
    from sqlalchemy import update

    places = update(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id)
    session.execute(places.values(created_at=datetime.now(UTC)))


def _keep_in_asset_store(session: Session, asset_id: int, key: str, report_id: str) -> None:
    from airflow.state import AssetScope, get_state_backend

    scope, backend = AssetScope(asset_id=asset_id), get_state_backend()
    backend.set(scope, key, _with(backend.get(scope, key, session=session), report_id), session=session)


def _keep_in_variable(session: Session, key: str, report_id: str) -> None:
    from airflow.models.variable import Variable
    from sqlalchemy import select

    # Variable.set() would end the event's transaction.
    variable = session.scalar(select(Variable).where(Variable.key == key))
    variable = variable or Variable(key=key)  # type: ignore[no-untyped-call]
    variable.set_val(_with(variable.get_val(), report_id))
    session.add(variable)


def _with(kept: str | None, report_id: str) -> str:
    return json.dumps(sorted({*json.loads(kept or "[]"), report_id}))
