"""A nightly DAG that ``dag.test()`` runs for three nights, one day of platform time apart.

Environment: ``LAKE`` is a folder, ``SANDBOX`` the URL of the sandbox's control API. The last line of the output is
JSON: for each night, the result of each task.
"""

from __future__ import annotations

import inspect
import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_openesg.transfers.openesg_to_object_storage import OpenESGToObjectStorageOperator

UPDATED_AFTER = {
    "interval": "{{ prev_data_interval_end_success }}",
    "overlap": "{{ prev_data_interval_end_success and prev_data_interval_end_success - macros.timedelta(minutes=10) }}",
    "mark": "{{ (ti.xcom_pull(task_ids='mark', map_indexes=-1, include_prior_dates=True) or {})"
    ".get('high_water_mark') }}",
    "last_run": "{{ 'last_' ~ 'run' }}",
}
FIRST = datetime(2026, 3, 1, tzinfo=UTC)

with DAG("nightly", schedule="@daily", start_date=FIRST, catchup=False) as dag:
    for name, updated_after in UPDATED_AFTER.items():
        OpenESGToObjectStorageOperator(
            task_id=name, path=f"{os.environ['LAKE']}/{name}", tables=["reports"], updated_after=updated_after
        )

if __name__ == "__main__":
    date = next(name for name in ("logical_date", "execution_date") if name in inspect.signature(dag.test).parameters)
    nights = []
    for night in range(3):
        run = dag.test(**{date: FIRST + timedelta(days=night)})
        assert run.state == "success"
        nights.append({name: run.get_task_instance(name).xcom_pull(task_ids=name) for name in UPDATED_AFTER})
        urllib.request.urlopen(urllib.request.Request(f"{os.environ['SANDBOX']}clock", b'{"seconds": 86400}')).close()
    print(json.dumps(nights))
