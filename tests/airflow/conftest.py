"""One real Airflow and one sandbox for all tests of this folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.sandbox.process import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow
    from airflow_provider_openesg.settings import OpenESGSettings

EXAMPLES = Path(__file__).parents[2] / "dags_examples"
# Tests of the other Airflow are not collected, so a skipped test always means that something is missing.
AIRFLOW_3 = importlib.metadata.version("apache-airflow").startswith("3.")
collect_ignore_glob = ["*_airflow2.py" if AIRFLOW_3 else "*_airflow3.py"]


@pytest.fixture(scope="session")
def platform() -> Iterator[SandboxProcess]:
    """A sandbox that the running Airflow talks to, with three OAuth 2.0 clients."""
    with SandboxProcess(reports=40, clients=3) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def airflow(platform: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """Airflow 3 with scheduler and LocalExecutor, everything logged at DEBUG, and what the example DAGs need.

    Its database and logs stay in pytest's temporary directory, next to the DuckDB file and the lake.
    """
    from airflow_provider_openesg.sandbox.local_airflow.processes import RunningAirflow

    place = tmp_path_factory.mktemp("airflow")
    dags = place / "dags"
    for source in (Path(__file__).parent / "dags", EXAMPLES):
        shutil.copytree(source, dags, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {
        "AIRFLOW_CONN_OPENESG_DEFAULT": platform.connection_json,
        "AIRFLOW_CONN_DUCKDB_DEFAULT": json.dumps({"conn_type": "duckdb", "host": str(place / "openesg.duckdb")}),
        "AIRFLOW_VAR_OPENESG_LAKE": (place / "lake").as_uri(),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # the tests start all runs
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(place / "credentials"),
    }
    with RunningAirflow(place / "home", dags=dags, environment=environment) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def watched_platform() -> Iterator[SandboxProcess]:
    """A sandbox that is never reset, because Airflow's watchers store which reports had an event."""
    with SandboxProcess(reports=40) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def airflow_with_triggerer(
    platform: SandboxProcess, watched_platform: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    """Airflow 3 with a triggerer whose end is noticed within seconds, and DAGs that assets start."""
    from airflow_provider_openesg.sandbox.local_airflow.processes import COMPONENTS, RunningAirflow

    place = tmp_path_factory.mktemp("airflow_with_triggerer")
    dags = place / "dags"
    shutil.copytree(Path(__file__).parent / "dags_triggerer", dags, ignore=shutil.ignore_patterns("__pycache__"))
    example = (EXAMPLES / "openesg_load_submitted_report.py").read_text()
    assert "poke_interval=60" in example
    (dags / "example.py").write_text(example.replace("poke_interval=60", "poke_interval=2"))
    environment = {
        "AIRFLOW_CONN_OPENESG_DEFAULT": watched_platform.connection_json,
        "AIRFLOW_CONN_OPENESG_WAITS": platform.connection_json,
        "AIRFLOW_CONN_DUCKDB_DEFAULT": json.dumps({"conn_type": "duckdb", "host": str(place / "openesg.duckdb")}),
        "OPENESG_LAKE": (place / "lake").as_uri(),
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
        "AIRFLOW__OPENESG__CREDENTIAL_CACHE_DIR": str(place / "credentials"),
    }
    with RunningAirflow(place / "home", dags=dags, environment=environment, components=tuple(COMPONENTS)) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def airflow_with_watchers(airflow_with_triggerer: RunningAirflow) -> RunningAirflow:
    """The DAGs that assets start, and their watchers after their first poll."""
    for dag_id in ("on_submitted", "on_written", "openesg_load_submitted_report"):
        airflow_with_triggerer.unpause(dag_id)
    log = airflow_with_triggerer.component_log("triggerer")
    airflow_with_triggerer.wait_for(
        lambda: log.read_text().count("Watching from now on; ") >= 2, what="the watchers' first poll"
    )
    return airflow_with_triggerer


@pytest.fixture
def report(platform: SandboxProcess, settings_for: Callable[..., OpenESGSettings]) -> dict[str, Any]:
    """A report that is not submitted yet."""
    platform.reset()
    with OpenESGClient(settings_for(platform)) as client:
        rows = [row for page in client.iter_pages("reports") for row in page]
    return next(row for row in rows if row["status"] == "in_progress")


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page in a real browser."""
    from connection_form import browser_page, find_chromium

    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on this machine; to get it: apt-get install chromium")
    with browser_page(chromium) as page:
        yield page


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for pictures of the UI: ``docs/img`` if ``docs/screenshots.py`` runs the tests."""
    return Path(os.environ.get("SCREENSHOTS", tmp_path))
