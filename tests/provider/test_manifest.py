"""The manifest of the provider: its schemas, the commands that show it, and its imports."""

from __future__ import annotations

import importlib.util
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import airflow_provider_openesg
from airflow_provider_openesg.get_provider_info import get_provider_info
from airflow_provider_openesg.settings import FIELDS

PACKAGE = "airflow_provider_openesg"
NAME = "airflow-provider-openesg"

# The form: extra field -> label, type, default, minimum, maximum, choices.
FORM = {
    "scope": ("Scope", "string", None, None, None, None),
    "client_auth": ("Client authentication", "string", "header", None, None, ["header", "body"]),
    "auth_url": ("OAuth2 endpoint", "string", None, None, None, None),
    "api_path": ("API path", "string", "/api/v1", None, None, None),
    "timeout": ("Timeout (s)", "number", 30, 1, 3600, None),
    "max_retry_time": ("Retry budget (s)", "number", 300, 0, 86400, None),
    "parallel_requests": ("Parallel requests", "integer", 4, 1, 32, None),
    "requests_per_second": ("Request rate limit", "number", None, 0.01, None, None),
    "page_size": ("Page size", "integer", 100, 2, 10000, None),
    "verify_tls": ("Verify TLS", "boolean", True, None, None, None),
    "ca_bundle": ("CA bundle", "string", None, None, None, None),
    "proxies": ("Proxies", "string", None, None, None, None),
    "api": ("API differences", "string", None, None, None, None),
    "strict": ("Strict", "boolean", False, None, None, None),
}


def airflow_schema(name: str) -> dict:
    # Found without importing Airflow, which would set up a home directory.
    (folder,) = importlib.util.find_spec("airflow").submodule_search_locations[:1]
    return json.loads((Path(folder) / name).read_text())


SHOWS_WIDGETS = "conn-fields" in json.dumps(airflow_schema("provider.yaml.schema.json")) or bool(
    importlib.util.find_spec("flask_appbuilder")
)


def connection_type() -> dict:
    (entry,) = get_provider_info()["connection-types"]
    return entry


def test_manifest_matches_airflows_schema():
    jsonschema.validate(get_provider_info(), airflow_schema("provider_info.schema.json"))


def test_connection_type_matches_the_schema_of_provider_yaml():
    """This schema describes more of the form than the other one. No other properties are allowed."""
    properties = airflow_schema("provider.yaml.schema.json")["properties"]
    closed = properties["connection-types"]["items"] | {"additionalProperties": False}
    later = {"hook-name", "ui-field-behaviour", "conn-fields"} - {*closed["properties"]}  # than this Airflow
    jsonschema.validate({name: value for name, value in connection_type().items() if name not in later}, closed)
    for name in ("hooks", "operators", "sensors", "transfers", "config"):
        definitions = {"definitions": airflow_schema("provider.yaml.schema.json")["definitions"]}
        jsonschema.validate(get_provider_info()[name], properties[name] | definitions)


def test_form_fields():
    fields = {
        name: (
            field["label"],
            field["schema"]["type"][0],
            field["schema"].get("default"),
            field["schema"].get("minimum"),
            field["schema"].get("maximum"),
            field["schema"].get("enum"),
        )
        for name, field in connection_type()["conn-fields"].items()
    }
    assert fields == FORM
    assert list(fields) == list(FORM)  # the order in the form
    for name, field in connection_type()["conn-fields"].items():
        assert field["schema"]["type"][1:] == ["null"], f"{name} would be required"
        assert field["description"] == FIELDS[name].description != ""


def test_standard_fields():
    behaviour = connection_type()["ui-field-behaviour"]
    assert behaviour["hidden-fields"] == ["schema", "port"]
    assert behaviour["relabeling"] == {"host": "Base URL", "login": "Client ID", "password": "Client secret"}
    assert {"host", "login", "password"} <= set(behaviour["placeholders"])


def test_defaults_are_not_masked_as_secrets():
    """Airflow shows "***" for the default of a field whose name sounds like a secret."""
    sensitive = ("token", "secret", "password", "api_key", "authorization", "private_key", "proxy", "dsn", "access")
    for name, field in FIELDS.items():
        assert field.default is None or not any(word in name for word in sensitive)


def test_manifest_names_every_module():
    info = get_provider_info()
    parts = ("hooks", "operators", "sensors", "triggers")
    named = {module for part in parts for entry in info.get(part, ()) for module in entry["python-modules"]}
    named |= {transfer["python-module"] for transfer in info["transfers"]}
    existing = {
        f"{PACKAGE}.{part}.{module.name}"
        for part in ("hooks", "operators", "sensors", "transfers", "triggers")
        for module in pkgutil.iter_modules([str(Path(airflow_provider_openesg.__path__[0]) / part)])
        if module.name.startswith("openesg")
    }
    assert named == existing


def test_manifest_names_every_link():
    """Without it, a task's button fails to load."""
    named = set(get_provider_info()["extra-links"])
    links = importlib.import_module(f"{PACKAGE}.links.openesg")
    assert named == {f"{links.__name__}.{name}" for name in vars(links) if name.endswith("Link") and "ESG" in name}


def test_reading_the_manifest_imports_nothing_else():
    """Airflow reads it with its configuration, in every process."""
    script = f"""
import sys
before = set(sys.modules)
from {PACKAGE}.get_provider_info import get_provider_info
get_provider_info()
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(sorted(new - set(sys.stdlib_module_names)))
"""
    assert run_python("-c", script).strip() == f"['{PACKAGE}']"


@pytest.mark.airflow
class TestCommands:
    """``airflow providers …`` in a separate home."""

    def test_list(self, tmp_path: Path):
        (row,) = [row for row in providers(tmp_path, "list") if row["package_name"] == NAME]
        assert row["version"] == airflow_provider_openesg.__version__
        assert "openESG" in row["description"]

    def test_get(self, tmp_path: Path):
        (row,) = providers(tmp_path, "get", NAME)
        assert row == {"Provider": NAME, "Version": airflow_provider_openesg.__version__}

    def test_hooks(self, tmp_path: Path):
        (row,) = [row for row in providers(tmp_path, "hooks") if row["connection_type"] == "openesg"]
        assert row == {
            "connection_type": "openesg",
            "class": f"{PACKAGE}.hooks.openesg.OpenESGHook",
            "conn_id_attribute_name": "openesg_conn_id",
            "package_name": NAME,
            "hook_name": "openESG",
        }

    @pytest.mark.skipif(not SHOWS_WIDGETS, reason="Airflow 3.0 and 3.1 ask hooks, by the forms of flask_appbuilder")
    def test_widgets(self, tmp_path: Path):
        rows = [row for row in providers(tmp_path, "widgets") if row["package_name"] == NAME]
        assert {row["connection_parameter_name"] for row in rows} == {f"extra__openesg__{name}" for name in FORM}

    def test_configuration_has_its_defaults(self, tmp_path: Path):
        # Airflow 2.11 reads the providers' sections when its components start.
        script = "from airflow.providers_manager import ProvidersManager as Manager\n"
        script += "Manager().initialize_providers_configuration()\n"
        script += "from airflow.configuration import conf; print(conf.get('openesg', 'credential_cache'), end='|');"
        script += "print(repr(conf.get('openesg', 'credential_cache_dir')))"
        assert run_python("-c", script, AIRFLOW_HOME=str(tmp_path)).strip().splitlines()[-1] == "disk|''"


def providers(home: Path, *arguments: str) -> list[dict]:
    output = run_python("-m", "airflow", "providers", *arguments, "--output", "json", AIRFLOW_HOME=str(home))
    return json.loads(output.strip().splitlines()[-1])  # warnings may be before it


def run_python(*arguments: str, **environment: str) -> str:
    done = subprocess.run([sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_manifest_imports_no_airflow():
    # Airflow reads the manifest while it starts; an import of airflow from it is circular and breaks every command.
    code = (
        "import sys; sys.modules['airflow'] = None\n"
        "from airflow_provider_openesg.get_provider_info import get_provider_info\n"
        "get_provider_info()\n"
        "print([name for name in sys.modules if name.startswith('airflow.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
