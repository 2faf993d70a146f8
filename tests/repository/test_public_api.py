"""docs/public-api.md names every class for DAGs and every error, and each of its names can be imported."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "airflow_provider_openesg"
FOLDERS = ("hooks", "operators", "sensors", "transfers", "triggers", "links", "assets")


def documented() -> set[tuple[str, str]]:
    page = (ROOT / "docs" / "public-api.md").read_text()
    rows = re.findall(rf"^\| `({PACKAGE}[\w.]*)` \| (.+) \|$", page, re.MULTILINE)
    return {(module, name) for module, names in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_documented_name_can_be_imported() -> None:
    names = documented()
    assert len(names) > 15
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"


def test_every_public_class_of_the_folders_for_dags_is_documented() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / PACKAGE / folder).glob("*.py")]
    classes = {
        (path.parent.name, node.name)
        for path in paths
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.startswith("OpenESG")
    }
    assert len(classes) >= 10
    # Users import from the modules on the page, which may import a class from another module of the folder.
    names = {(module.split(".")[1], name) for module, name in documented() if "." in module}
    assert classes - {("transfers", "OpenESGTransferOperator")} <= names


def test_every_error_is_documented() -> None:
    exceptions = importlib.import_module(f"{PACKAGE}.exceptions")
    errors = {
        (exceptions.__name__, name)
        for name, item in vars(exceptions).items()
        if isinstance(item, type) and issubclass(item, exceptions.OpenESGError)
    }
    assert errors == {pair for pair in documented() if pair[0] == exceptions.__name__}


def test_the_reference_documents_the_public_names() -> None:
    page = (ROOT / "docs" / "reference.md").read_text()
    referenced = {tuple(name.rsplit(".", 1)) for name in re.findall(rf"^::: ({PACKAGE}\S+)$", page, re.MULTILINE)}
    skipped = {f"{PACKAGE}.exceptions", PACKAGE}
    assert {pair for pair in documented() if pair[0] not in skipped} <= referenced
