"""The command and the operator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_openesg.cli import main
from airflow_provider_openesg.operators.openesg import OpenESGCheckOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.sandbox.process import SandboxProcess

pytestmark = pytest.mark.usefixtures("openesg_connection")

CHECK = ["check", "--conn-id", "openesg_default"]


def test_exit_statuses(
    sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str], connect: Callable[..., None]
) -> None:
    assert main(CHECK) == 0
    assert capsys.readouterr().out.rstrip().endswith("Nothing needs to be written.")
    sandbox.options(shape=["status-german"])
    assert main(CHECK) == 1
    assert '# eingereicht = "..."  # one of requested,' in capsys.readouterr().out
    connect(sandbox, timeout="soon")
    assert main(CHECK) == 2
    assert "Timeout (s) (timeout)" in capsys.readouterr().err
    assert main(["check", "--conn-id", "no_such_connection"]) == 2
    assert "no_such_connection" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CHECK, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exit_status"] == 0


def test_write(sandbox: SandboxProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "api.toml"
    sandbox.options(shape=["customer-reference"])
    for _ in range(2):  # the second time, it has the same content
        assert main([*CHECK, "--write", str(file)]) == 1
    assert 'customer_identifier = "customer_reference"' in file.read_text()
    file.write_text("# mine\n")
    assert main([*CHECK, "--write", str(file)]) == 2
    assert "it exists with other content" in capsys.readouterr().err
    assert file.read_text() == "# mine\n"
    assert main([*CHECK, "--write", str(tmp_path / "no" / "api.toml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_schema_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "openapi.json"
    file.write_text('{"openapi": "3.1.0", "paths": {}}')
    assert main([*CHECK, "--schema", str(file)]) == 0
    assert "OpenAPI 3.1.0: the given file." in capsys.readouterr().out
    for content in ("{}", "<html>", '{"paths": '):
        file.write_text(content)
        assert main([*CHECK, "--schema", str(file)]) == 2
        assert "schema: the file" in capsys.readouterr().err


def test_the_output_in_the_docs(sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "your-platform.md").read_text()
    sandbox.options(shape=["customer-reference", "status-german", "envelope-data", "page-number"])
    assert main(CHECK) == 1
    assert f"```text\n{capsys.readouterr().out}```" in page


@pytest.mark.airflow
def test_as_a_module_and_in_airflows_command_line(sandbox: SandboxProcess, tmp_path: Path) -> None:
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path)}

    def output(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert sandbox.client_secret not in done.stdout + done.stderr
        return done.stdout

    content = json.loads(output("airflow_provider_openesg", *CHECK, "--json"))
    assert content["exit_status"] == 0
    from airflow.providers_manager import ProvidersManager

    if hasattr(ProvidersManager, "cli_command_functions"):  # Airflow 3.2
        assert "Nothing needs to be written." in output("airflow", "openesg", "check", "openesg_default")


def test_operator(sandbox: SandboxProcess, task_log: Callable[[], str]) -> None:
    operator = OpenESGCheckOperator(task_id="check")
    assert operator.template_fields == ("openesg_conn_id",)
    assert operator.execute({}) == {"exit_status": 0, "differences": []}
    sandbox.options(shape=["status-german"])
    with pytest.raises(AirflowFailException, match="eingereicht"):
        operator.execute({})
    assert '# eingereicht = "..."' in task_log()


def test_operator_is_retried_if_the_platform_does_not_respond(
    sandbox: SandboxProcess, connect: Callable[..., None]
) -> None:
    connect(sandbox, max_retry_time=0)
    sandbox.fault("answer", path="/api/v1/reports", status=503, body="{}")
    with pytest.raises(AirflowException) as caught:
        OpenESGCheckOperator(task_id="check").execute({})
    assert not isinstance(caught.value, AirflowFailException)
    connect(sandbox, timeout="soon")
    with pytest.raises(AirflowFailException, match="timeout"):
        OpenESGCheckOperator(task_id="check").execute({})
