"""Check an installed provider: complete, registered, importable without extras. Run it in a clean environment."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "airflow_provider_openesg"
EXTRAS = ("pyarrow", "duckdb", "django", "ninja", "waitress")


def main() -> None:
    """Run all checks; stop at the first fault."""
    airflow = importlib.metadata.version("apache-airflow")
    extras = [name for name in EXTRAS if importlib.util.find_spec(name)]
    assert not extras, f"not a clean environment: {extras} belong to extras"

    package = Path(str(importlib.resources.files(PACKAGE)))
    assert "site-packages" in package.parts, f"{package} is not installed"
    assert (package / "py.typed").is_file(), "py.typed is missing"

    providers = {row["package_name"]: row for row in providers_cli("list")}
    assert providers["airflow-provider-openesg"]["version"] == importlib.metadata.version("airflow-provider-openesg")
    hooks = {row["connection_type"]: row for row in providers_cli("hooks")}
    assert hooks["openesg"]["class"] == f"{PACKAGE}.hooks.openesg.OpenESGHook", hooks["openesg"]
    details = airflow_cli("providers", "get", "airflow-provider-openesg", "--full", "--output", "json")
    assert "openesg" in details, details

    imported = []
    for folder in ("hooks", "operators", "sensors", "transfers"):
        for module in pkgutil.iter_modules([str(package / folder)]):
            importlib.import_module(f"{PACKAGE}.{folder}.{module.name}")
            imported.append(f"{folder}.{module.name}")
    assert {"operators.openesg", "sensors.openesg", "transfers.openesg_to_sql"} <= set(imported), imported
    check_provider_info_without_airflow()
    print(f"Airflow {airflow}, Python {sys.version.split()[0]}: registered.")
    print(f"Imported without extras: {', '.join(imported)}")


def check_provider_info_without_airflow() -> None:
    """Airflow reads the provider info in every process while it starts: reading it must import no Airflow."""
    code = (
        f"import sys; sys.modules['airflow'] = None; from {PACKAGE}.get_provider_info import get_provider_info as info"
    )
    subprocess.run([sys.executable, "-c", f"{code}; info()"], check=True)


def airflow_cli(*arguments: str) -> str:
    """Run ``airflow`` of this environment and return its output."""
    command = [str(Path(sys.executable).with_name("airflow")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def providers_cli(what: str) -> list[dict[str, str]]:
    """Return a list that ``airflow providers`` prints. Warnings may be printed before it."""
    text = airflow_cli("providers", what, "--output", "json")
    return json.loads(text[text.index("[{") :])


if __name__ == "__main__":
    main()
