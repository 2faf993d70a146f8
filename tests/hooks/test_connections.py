"""Every way to write a Connection gives the same settings. Runs on the oldest and the newest Airflow."""

import json
import os
import pickle
import subprocess
import sys
from urllib.parse import quote

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.settings import FIELDS, OpenESGSettings

pytestmark = pytest.mark.airflow

HOST, LOGIN, SECRET = "https://demo.openesg.de/esg", "4711", "s3%cr:e@t/ ä&=+?#"
EXTRA = {"timeout": 15, "verify_tls": False, "page_size": 50, "requests_per_second": 2.5, "scope": "read write"}
TEXT = {"timeout": "15", "verify_tls": "false", "page_size": "50", "requests_per_second": "2.5", "scope": "read write"}
EXPECTED = OpenESGSettings(
    base_url=HOST,
    client_id=LOGIN,
    client_secret=SECRET,
    token_url=f"{HOST}/o/token/",
    scope="read write",
    timeout=15,
    verify=False,
    page_size=50,
    requests_per_second=2.5,
)
# What Airflow's form writes as soon as one field is touched: all of them, nulls and defaults.
FORM = {name: field.default for name, field in FIELDS.items()} | EXTRA


def connection(**changes):
    return {"conn_type": "openesg", "host": HOST, "login": LOGIN, "password": SECRET, "extra": EXTRA} | changes


def uri(host=HOST, query=TEXT):
    user = f"{quote(LOGIN, safe='')}:{quote(SECRET, safe='')}"
    return f"openesg://{user}@{host}?" + "&".join(
        f"{name}={quote(str(value), safe='')}" for name, value in query.items()
    )


WRITTEN = {
    "JSON": json.dumps(connection()),
    "JSON, extra as text": json.dumps(connection(extra=json.dumps(EXTRA))),
    "JSON, values as text": json.dumps(connection(extra=TEXT)),
    "JSON of the form": json.dumps(connection(extra=FORM, schema="", port=None)),
    "JSON of the form, empty strings": json.dumps(
        connection(extra={name: "" if value is None else value for name, value in FORM.items()}, schema=None)
    ),
    "URI": uri(quote(HOST, safe="")),
    "URI, extra as JSON": uri(quote(HOST, safe=""), {"__extra__": json.dumps(EXTRA)}),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_environment_variable(written, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ESG", written)
    assert OpenESGHook("esg").settings == EXPECTED


@pytest.mark.parametrize(
    ("written", "base_url"),
    [
        ("openesg://id:secret@demo.openesg.de", "https://demo.openesg.de"),
        ("openesg://id:secret@demo.openesg.de:8443", "https://demo.openesg.de:8443"),
        ("openesg://id:secret@127.0.0.1:8085/http", "http://127.0.0.1:8085"),
        ("openesg://id:secret@http%3A%2F%2F127.0.0.1%3A8085", "http://127.0.0.1:8085"),
        ("openesg://id:secret@[::1]:8085/http", "http://[::1]:8085"),
        ("openesg://id:secret@", "https://app.openesg.de"),
        ("openesg://id:secret@/?timeout=30", "https://app.openesg.de"),
    ],
)
def test_host_of_a_uri(written, base_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ESG", written)
    assert OpenESGHook("esg").settings.base_url == base_url


def test_uri_written_by_airflow(monkeypatch):
    from airflow.models import Connection

    written = Connection("esg", **connection(extra=json.dumps(EXTRA))).get_uri()
    monkeypatch.setenv("AIRFLOW_CONN_ESG", written)
    assert OpenESGHook("esg").settings == EXPECTED


def test_secrets_backend(tmp_path):
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"esg": connection()}))
    environment = {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(file)}),
    }
    assert settings_of_a_process(tmp_path, environment) == EXPECTED


def test_command_line_and_database(tmp_path):
    run(tmp_path, "-m", "airflow", "db", "migrate")
    given = ["--conn-type=openesg", f"--conn-host={HOST}", f"--conn-login={LOGIN}", f"--conn-password={SECRET}"]
    run(tmp_path, "-m", "airflow", "connections", "add", "esg", *given, f"--conn-extra={json.dumps(FORM)}")
    # Outside of a task, only Airflow's components read the database; this variable marks the process as one.
    assert settings_of_a_process(tmp_path, {"_AIRFLOW_PROCESS_CONTEXT": "server"}) == EXPECTED


def settings_of_a_process(home, environment):
    code = (
        "import pickle\n"
        "from airflow_provider_openesg.hooks.openesg import OpenESGHook\n"
        "print('\\n' + pickle.dumps(OpenESGHook('esg').settings).hex())"
    )
    return pickle.loads(bytes.fromhex(run(home, "-c", code, **environment).splitlines()[-1]))


def run(home, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
