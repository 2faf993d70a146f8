"""Checks of parameters are in one module: parameters.py."""

from __future__ import annotations

from pathlib import Path

import airflow_provider_openesg

PACKAGE = Path(airflow_provider_openesg.__file__).parent


def test_hints_are_created_only_in_parameters() -> None:
    """Reports have hints for columns of the user's rows, which are not parameters."""
    users = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if "difflib" in path.read_text()}
    assert {name for name in users if not name.startswith("reports/")} == {"parameters.py"}
