"""The process: output, exit with its parent or on a signal, and errors at the start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests
import trustme

from airflow_provider_openesg.sandbox.process import SandboxProcess

COMMAND = [sys.executable, "-m", "airflow_provider_openesg.sandbox"]
PARENT = """
import os, sys, time
from airflow_provider_openesg.sandbox.process import SandboxProcess
sandbox = SandboxProcess(reports=5)
if sys.argv[1] == "thread":
    import threading
    thread = threading.Thread(target=sandbox.start)
    thread.start()
    thread.join()
    time.sleep(1)
else:
    sandbox.start()
print(sandbox.pid, sandbox.base_url, flush=True)
time.sleep(60)
"""


def wait_until_exited(pid: int) -> bool:
    """Wait until a process that is not a child process has ended, and return whether it has."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if state(pid) == "Z":
            return True
        time.sleep(0.02)
    return False


def state(pid: int) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()[:1]


def test_the_printed_connection_works_in_a_shell():
    command = [*COMMAND, "--port", "0", "--reports", "3", "--seed", "5", "--clients", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            while not lines or not lines[-1].startswith("AIRFLOW_CONN_OPENESG_DEFAULT='"):
                lines.append(process.stdout.readline())
                assert lines[-1]
            ready = lines[-1]
            completed = subprocess.run(
                [
                    "sh",
                    "-c",
                    f"{ready.strip()}; export AIRFLOW_CONN_OPENESG_DEFAULT; printenv AIRFLOW_CONN_OPENESG_DEFAULT",
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            connection = json.loads(completed.stdout)
            text = "".join(lines)
            for value in (connection["host"], connection["login"], connection["password"]):
                assert re.search(rf"^(Base URL|Client ID|Client secret) +{re.escape(value)}$", text, re.MULTILINE)
            assert connection["conn_type"] == "openesg"
            assert "AIRFLOW_CONN_OPENESG_2='" in text
            form = {"grant_type": "client_credentials"}
            auth = (connection["login"], connection["password"])
            assert requests.post(f"{connection['host']}/o/token/", data=form, auth=auth, timeout=10).status_code == 200
        finally:
            process.terminate()


def test_it_listens_on_loopback_only(sandbox):
    port = int(sandbox.base_url.rpartition(":")[2])
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for address in {address for address in own if not address.startswith("127.")}:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):
            pass


@pytest.mark.parametrize("started_from", ["main", "thread"])
def test_it_ends_when_its_parent_is_killed(started_from):
    """The sandbox exits with its parent process, but not with the thread that started it."""
    command = [sys.executable, "-c", PARENT, started_from]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid, base_url = parent.stdout.readline().split()
        assert requests.get(f"{base_url}/sandbox/state", timeout=10).status_code == 200
        parent.kill()
    assert wait_until_exited(int(pid))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base_url}/sandbox/state", timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_while_requests_hang(sandbox_factory, fetch_token, number):
    sandbox = sandbox_factory(reports=1)
    sandbox.fault("hang", path="^/o/token/$")

    def call_and_lose_connection() -> None:
        with pytest.raises(requests.ConnectionError):
            fetch_token(sandbox)

    calls = [threading.Thread(target=call_and_lose_connection) for _ in range(3)]
    for call in calls:
        call.start()
    deadline = time.monotonic() + 20
    while sandbox.state()["in_flight"] < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(sandbox.pid, number)
    for call in calls:
        call.join(20)
        assert not call.is_alive()
    assert state(sandbox.pid) in ("", "Z")


def test_a_port_in_use():
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"Port {port} on 127.0.0.1 is in use.*--port 0"):
            SandboxProcess(port=port).start()


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--clients", "0"], ["--reports", "many"], ["--tls-cert", "x"]]
)
def test_invalid_arguments(arguments):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert arguments[0] in done.stderr


def test_the_extra_is_not_installed(tmp_path):
    """Simulate a machine without Django."""
    code = (
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'django' else find(name, *rest)\n"
        "runpy.run_module('airflow_provider_openesg.sandbox', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "django, not installed" in done.stderr
    assert "pip install 'airflow-provider-openesg[sandbox]'" in done.stderr


def test_the_parent_needs_no_django():
    code = (
        "import airflow_provider_openesg.sandbox.process, sys\n"
        "print({name.split('.')[0] for name in sys.modules} & {'django', 'ninja', 'msgspec', 'requests'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_https(tmp_path, sandbox_factory, api_of, monkeypatch):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    (tmp_path / "cert.pem").write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
    (tmp_path / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    sandbox = sandbox_factory(reports=20, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    assert sandbox.base_url.startswith("https://127.0.0.1:")
    with pytest.raises(requests.exceptions.SSLError):
        api_of(sandbox)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    api = api_of(sandbox)
    assert len(api.rows("reports")) == 20
    sandbox.options(envelope="results")
    assert api.get("reports?limit=5").json()["next"] == f"{sandbox.base_url}/api/v1/reports?limit=5&offset=5"
    sandbox.fault("reset", path="reports$")
    with pytest.raises(requests.ConnectionError):
        api.get("reports")


def test_swagger_pages_work_without_internet(sandbox):
    for page in ("api/v1/docs", "sandbox/docs"):
        html = requests.get(f"{sandbox.base_url}/{page}", timeout=10)
        assert html.status_code == 200
        files = re.findall(r'(?:src|href)="([^"]+)"', html.text)
        assert files
        for file in files:
            assert requests.get(sandbox.base_url + file, timeout=10).status_code == 200, file


def test_no_errors_on_stderr(sandbox, api):
    api.get("reports")
    assert sandbox.errors() == ""
