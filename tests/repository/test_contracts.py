"""The import contract of pyproject.toml is kept, covers the complete package, and fails for a forbidden import."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "airflow_provider_openesg"

FORBIDDEN = [
    ("client/retry.py", "import airflow_provider_openesg.hooks.openesg", "Imports point down only"),
    ("tables/schemas.py", "import airflow_provider_openesg.sandbox.vsme", "Imports point down only"),
    ("operators/openesg.py", "import airflow_provider_openesg.sensors.openesg", "Imports point down only"),
    ("client/session.py", "import airflow_provider_openesg.client.client", "No import cycles"),
    ("lake/writer.py", "import airflow", "The core imports no Airflow"),
    ("reports/requests/rows.py", "import pyarrow", "No pyarrow where records are only read or sent"),
    ("tables/__init__.py", "import pyarrow", "No pyarrow while a DAG file is parsed"),
    ("tables/report_builder.py", "import requests", "The worker process sends no requests"),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``lint-imports`` on the package in ``folder``."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def contracts() -> dict[str, dict[str, list[str]]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"]: contract for contract in config["tool"]["importlinter"]["contracts"]}


def test_the_contract_is_kept() -> None:
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout
    assert f"{len(contracts())} kept, 0 broken" in run.stdout


@pytest.mark.parametrize(("module", "statement", "contract"), FORBIDDEN)
def test_a_forbidden_import_breaks_the_contract(tmp_path: Path, module: str, statement: str, contract: str) -> None:
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (copy / module).open("a") as file:
        file.write(f"\n{statement}\n")
    run = lint_imports(tmp_path)
    assert run.returncode == 1, run.stdout
    (broken,) = {line for line in run.stdout.splitlines() if line.endswith("BROKEN") and contract in line}
    assert broken


def test_every_folder_and_module_is_in_a_layer() -> None:
    layers = contracts()["layers"]["layers"]
    named = {name.strip(" ()").split(".")[0] for layer in layers for name in layer.replace("|", ":").split(":")}
    existing = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert existing - {"__init__"} <= named


def test_every_module_of_utils_is_in_a_layer() -> None:
    # `utils` has modules of two layers, so the contract names them one by one.
    layers = " ".join(contracts()["layers"]["layers"])
    for path in PACKAGE.glob("utils/*.py"):
        assert path.stem == "__init__" or f"utils.{path.stem}" in layers


def test_the_core_folders_are_in_the_contract_without_airflow() -> None:
    layers = contracts()["layers"]["layers"]
    core = layers[layers.index("get_provider_info") :]
    named = {name.strip() for layer in core for name in layer.replace("|", ":").split(":")} - {"version_compat"}
    listed = {name.removeprefix(f"{PACKAGE.name}.") for name in contracts()["core-without-airflow"]["source_modules"]}
    assert named == {name for name in listed if not name.startswith("sandbox.")}
    # The sandbox runs in environments without Airflow; local_airflow starts Airflow.
    assert {"sandbox.process", "sandbox.server"} <= listed


def test_modules_have_at_most_400_lines() -> None:
    long = {str(path): lines for path in PACKAGE.rglob("*.py") if (lines := len(path.read_text().splitlines())) > 400}
    assert long == {}
