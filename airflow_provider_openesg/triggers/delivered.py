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
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from airflow_provider_openesg.triggers.seen import WATCHER, key_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)


@hookimpl
def on_asset_event_emitted(asset_event: Any) -> None:
    """Attend to one of our events; what fails here leaves the event as it is."""
    payload: Any = (asset_event.extra or {}).get("payload")
    if not isinstance(payload, dict) or "report_id" not in payload:
        return
    watcher = payload.get("watcher")
    if not isinstance(watcher, str) or not watcher.startswith(WATCHER):
        return
    from airflow import settings
    from airflow.models.asset import AssetModel
    from sqlalchemy import select

    assert settings.Session is not None, "Airflow stores an event without a database"
    session = settings.Session()  # this thread's: the one that stores the event
    if not session.in_transaction():
        log.warning("Not in the event's transaction: report %s may have a second event.", payload["report_id"])
        return
    named = AssetModel.name == asset_event.asset.name, AssetModel.uri == asset_event.asset.uri
    with session.begin_nested():
        asset_id = session.scalar(select(AssetModel.id).where(*named))
        _renew_places(session, asset_id)
        _keep(session, asset_id, key_of(watcher, payload["report_id"]), str(payload["report_id"]))


def _renew_places(session: Session, asset_id: int | None) -> None:
    from airflow.models.asset import AssetDagRunQueue
    from sqlalchemy import update

    places = update(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id)
    session.execute(places.values(created_at=datetime.now(UTC)))


def _keep(session: Session, asset_id: int | None, key: str, report_id: str) -> None:
    from airflow.state import AssetScope, get_state_backend

    scope, backend = AssetScope(asset_id=asset_id), get_state_backend()
    kept = json.loads(backend.get(scope, key, session=session) or "[]")
    if isinstance(kept, list) and report_id not in kept:  # else a backend of the workers holds it
        backend.set(scope, key, json.dumps([*kept, report_id]), session=session)
