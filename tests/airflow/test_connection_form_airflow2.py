"""The Connection form of Airflow 2, which the hook defines: compared with the manifest, and shown by a web server."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.get_provider_info import get_provider_info
from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.settings import OpenESGSettings

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = pytest.mark.airflow

(MANIFEST,) = get_provider_info()["connection-types"]
FIELDS = MANIFEST["conn-fields"]
# Airflow 2 has no decimal field; the settings coerce and check what is typed into a text field.
FIELD_CLASSES = {"string": "StringField", "number": "StringField", "integer": "IntegerField", "boolean": "BooleanField"}

WEB_SERVER = """
import json, sys
from airflow.models import Connection
from airflow.utils.session import create_session
from airflow.www.app import create_app

form, tests = json.loads(sys.argv[1])
with create_app(testing=True).test_client() as browser:
    page = browser.get("/connection/add").text
    saved = browser.post("/connection/add", data=form).status_code
    responses = [browser.post("/api/v1/connections/test", json=body).get_json() for body in tests]
with create_session() as session:
    stored = session.query(Connection).filter_by(conn_id=form["conn_id"]).one()
    fields = {name: getattr(stored, name) for name in ("host", "login", "password", "port", "schema")}
    fields["extra"] = stored.extra_dejson
print()
print(json.dumps({"page": page, "saved": saved, "responses": responses, "stored": fields}))
"""


def test_widgets_match_the_manifest():
    widgets = OpenESGHook.get_connection_form_widgets()

    assert list(widgets) == list(FIELDS)
    for name, field in FIELDS.items():
        widget, schema = widgets[name], field["schema"]
        assert widget.args == (field["label"],)
        assert widget.kwargs["description"] == field["description"]
        assert widget.kwargs["default"] == schema.get("default")
        assert widget.field_class.__name__ == FIELD_CLASSES[schema["type"][0]]
        limits = {type(validator).__name__: validator for validator in widget.kwargs.get("validators", ())}
        if schema["type"][0] == "boolean":
            assert limits == {}
            continue
        assert "Optional" in limits
        assert ("AnyOf" in limits) == ("enum" in schema)
        if "enum" in schema:
            assert limits["AnyOf"].values == schema["enum"]
        if schema["type"][0] == "integer":
            assert (limits["NumberRange"].min, limits["NumberRange"].max) == (schema["minimum"], schema["maximum"])


def test_field_behaviour_matches_the_manifest():
    behaviour, manifest = OpenESGHook.get_ui_field_behaviour(), MANIFEST["ui-field-behaviour"]
    assert behaviour == {
        "hidden_fields": manifest["hidden-fields"],
        "relabeling": manifest["relabeling"],
        "placeholders": manifest["placeholders"],
    }


def test_web_server_shows_saves_and_tests_a_connection(tmp_path: Path, platform: SandboxProcess):
    typed = {"host": platform.base_url, "login": platform.client_id, "password": platform.client_secret}
    form = {"conn_id": "openesg_form", "conn_type": "openesg", "extra": "", **typed}
    extra = {"timeout": "2.5", "page_size": "", "client_auth": "body", "verify_tls": "y", "api_path": "/api/v1"}
    form |= {f"extra__openesg__{name}": value for name, value in extra.items()}
    body = {"connection_id": "openesg_form", "conn_type": "openesg", **typed}

    served = web_server(tmp_path, form, [body, body | {"password": "not-the-secret"}])

    shown = dict(re.findall(r'<label for="extra__openesg__(\w+)" control-label>\s*(.+?)\s*</label>', served["page"]))
    assert shown == {name: field["label"] for name, field in FIELDS.items()}
    (behaviours,) = re.findall(r'id="field_behaviours" type="text/json">(.*?)</script>', served["page"])
    assert (
        json.loads(html.unescape(behaviours))["openesg"]["relabeling"] == MANIFEST["ui-field-behaviour"]["relabeling"]
    )

    assert served["saved"] == 302
    assert OpenESGSettings.from_connection(**served["stored"]) == OpenESGSettings.from_connection(
        **typed, extra={"timeout": 2.5, "client_auth": "body"}
    )

    right, wrong = served["responses"]
    assert right["status"] is True
    assert right["message"].startswith(f"Connected to {platform.base_url} as {platform.client_id}")
    assert wrong["status"] is False
    assert "Check Client ID and Client secret" in wrong["message"]


def web_server(home: Path, form: dict[str, str], tests: list[dict[str, str]]) -> dict[str, Any]:
    """Drive Airflow's web application in a separate process and home, without a login."""
    (home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n")
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    for command in (["-m", "airflow", "db", "migrate"], ["-c", WEB_SERVER, json.dumps([form, tests])]):
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    served: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return served
