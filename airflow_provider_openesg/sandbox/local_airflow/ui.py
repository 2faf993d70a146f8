"""``make airflow``: Airflow's UI with a sandbox platform, Connections and the example DAGs, until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
from pathlib import Path

from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
from airflow_provider_openesg.sandbox.process import SandboxProcess

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / ".airflow"
PORT = 8080


def main() -> None:
    """Start all processes, print how to use them, and wait."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # Each start is a fresh one, because the Connections must match the new sandbox.
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    print("Starting the sandbox and Airflow; this takes about half a minute ...", flush=True)
    try:
        with SandboxProcess(reports=200) as sandbox, start_airflow() as airflow:
            airflow.add_connection(
                "openesg_default", host=sandbox.base_url, login=sandbox.client_id, password=sandbox.client_secret
            )
            database, lake = HOME / "openesg.duckdb", HOME / "lake"
            duckdb = {"connection_id": "duckdb_default", "conn_type": "duckdb", "host": str(database)}
            airflow.api("POST", "/connections", json=duckdb)
            airflow.api("POST", "/variables", json={"key": "openesg_lake", "value": lake.as_uri()})
            print(
                GREETING.format(url=airflow.url, sandbox=sandbox, database=database, lake=lake, home=HOME), flush=True
            )
            threading.Event().wait()
    except KeyboardInterrupt:
        print("\nStopped.")


def start_airflow() -> RunningAirflow:
    """Return an Airflow with all components on port 8080 or, if that is in use, on a free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
            port = PORT
        except OSError:
            port = 0
    return RunningAirflow(
        HOME / "airflow",
        dags=ROOT / "dags_examples",
        port=port,
        environment={
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(HOME / "cache"),
        },
        components=("api-server", "scheduler", "dag-processor", "triggerer"),
    )


GREETING = """
Airflow is at {url} (no login needed)

  DAGs         trigger openesg_nightly_extract: it fills
               {database} and {lake}
  Connections  openesg_default and duckdb_default are there. To try the form by hand:
               Admin -> Connections -> Add Connection, type openESG, then *Test*, with
                 Base URL        {sandbox.base_url}
                 Client ID       {sandbox.client_id}
                 Client secret   {sandbox.client_secret}

Logs are in {home}. Ctrl-C stops all processes."""


if __name__ == "__main__":
    main()
