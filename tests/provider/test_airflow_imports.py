"""Airflow modules that the package imports, each with a reason. A new one fails until it is added here."""

from __future__ import annotations

import ast
from pathlib import Path

import airflow_provider_openesg

ALLOWED = {
    "airflow": "version_compat.py reads __version__",
    "airflow.cli.cli_config": "documented interface of commands; imported only by Airflow's own command line",
    "airflow.models.dataset": "Airflow 2.11 only: fails a task otherwise",
    "airflow.utils.session": "Airflow 2.11 only: session for airflow.models.dataset",
    "airflow.triggers.base": "documented interface of triggers",
    "airflow.providers.apache.arrow.hooks.adbc": "hook of another provider",
    "airflow.providers.common.compat.lineage.hook": "common.compat",
    "airflow.providers.common.compat.openlineage.facet": "common.compat",
    "airflow.providers.common.compat.sdk": "common.compat",
    "airflow.providers.common.compat.triggers": "common.compat",
    "airflow.providers.common.sql.hooks.sql": "hook of another provider",
    "airflow.providers.duckdb.hooks.duckdb": "hook of another provider",
    "airflow.providers.openlineage.extractors": "documented interface of OpenLineage",
}


def imported() -> set[str]:
    """Return the Airflow modules that any file imports, also in functions and under TYPE_CHECKING."""
    modules = set()
    for path in Path(airflow_provider_openesg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module] if node.module != "airflow" else [f"airflow.{each.name}" for each in node.names]
            elif isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            else:
                continue
            modules |= {name for name in names if name.split(".")[0] == "airflow"}
    return modules


def test_only_allowed_airflow_modules_are_imported():
    assert imported() == set(ALLOWED)
