"""``make demo``: run the nightly extract with a sandbox and a real Airflow; files are in ``.demo/``."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
from airflow_provider_openesg.sandbox.process import SandboxProcess
from airflow_provider_openesg.tables import TABLES

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / ".demo"
DATABASE = HOME / "openesg.duckdb"
LAKE = HOME / "lake"
LOG = HOME / "airflow.log"
DAG_FILE = ROOT / "dags_examples" / "openesg_nightly_extract.py"

ENERGY_AND_EMISSIONS = """
    SELECT
        o.name AS organization,
        year(r.period_start) AS year,
        max(v.value_decimal) FILTER (v.field_key LIKE '%.b3.energy_total') AS energy,
        max(v.value_decimal) FILTER (v.field_key LIKE '%.b3.scope_1') AS scope_1,
        max(v.value_decimal) FILTER (v.field_key LIKE '%.b3.scope_2_location_based') AS scope_2
    FROM field_values v
    JOIN reports r ON r.id = v.report_id
    JOIN organizations o ON o.id = r.organization_id
    WHERE r.status IN ('submitted', 'accepted')
    GROUP BY ALL
    HAVING energy IS NOT NULL
    ORDER BY energy DESC
    LIMIT 5
"""


def main() -> None:
    """Run the demo."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))  # so that the child processes end too
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    started = time.monotonic()
    with SandboxProcess(reports=200) as sandbox:
        say(f"Sandbox platform with 200 reports: {sandbox.base_url}")
        airflow = RunningAirflow(
            HOME / "airflow",
            dags=ROOT / "dags_examples",
            environment={
                "AIRFLOW_CONN_OPENESG_DEFAULT": sandbox.connection_json,
                "AIRFLOW_CONN_DUCKDB_DEFAULT": json.dumps({"conn_type": "duckdb", "host": str(DATABASE)}),
                "AIRFLOW_VAR_OPENESG_LAKE": LAKE.as_uri(),
                "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(HOME / "cache"),
            },
        )
        say("Airflow: creating the metadata database ...")
        run(airflow, "-m", "airflow", "db", "migrate")
        say(f"Airflow: running the DAG of {shown(DAG_FILE)} ...")
        pulled = time.monotonic()
        run(airflow, str(Path(__file__).with_name("run_dag_file.py")), str(DAG_FILE))
        pulled = time.monotonic() - pulled
        state = sandbox.state()
    show(state, pulled, time.monotonic() - started)


def run(airflow: RunningAirflow, *arguments: str) -> None:
    """Run Python in Airflow's environment. The log gets its output; if it fails, exit with the end of it."""
    with LOG.open("ab") as log:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=airflow.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        end = "\n".join(LOG.read_text(errors="replace").splitlines()[-40:])
        sys.exit(f"{end}\n\nThe command failed. Full log: {shown(LOG)}")


def show(state: dict[str, Any], pulled: float, total: float) -> None:
    """Print the results, read from the database and the files."""
    with duckdb.connect(str(DATABASE), read_only=True) as database:
        counts = {table: database.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in TABLES}
        answers = database.sql(ENERGY_AND_EMISSIONS).fetchall()
    files = sorted(LAKE.rglob("*.parquet"))
    say("")
    say("Rows per table")
    for table, count in counts.items():
        say(f"  {table:<18}{count:>8,}")
    say("")
    tokens = state["token_requests"]["total"]
    say(f"{state['requests']:,} HTTP requests, {tokens} of them for a token")
    say(f"{pulled:.1f} s for the DAG, {total:.1f} s in total")
    say("")
    say("Energy and emissions by organization: the five largest consumers of energy")
    say(f"  {'organization':<40}{'year':>6}{'energy MWh':>16}{'scope 1 t CO2e':>16}{'scope 2 t CO2e':>16}")
    for name, year, *measures in answers:
        say(f"  {name[:38]:<40}{year:>6}" + "".join(f"{'' if m is None else f'{m:,.2f}':>16}" for m in measures))
    say("")
    say("Files")
    say(f"  DuckDB    {shown(DATABASE)}  ({size(DATABASE)})")
    say(f"  Parquet   {shown(LAKE)}/  ({len(files)} files, {size(*files)})")
    say(f"  log       {shown(LOG)}")
    say("")
    say("Next: `make airflow` shows the connection form in Airflow's UI; docs/quick-start.md uses your own platform.")


def size(*paths: Path) -> str:
    """Return the total size of files as text."""
    return f"{sum(path.stat().st_size for path in paths) / 1e6:.1f} MB"


def shown(path: Path) -> str:
    """Return a path relative to the clone."""
    return str(path.relative_to(ROOT))


def say(line: str) -> None:
    """Print a line and flush it, also to a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
