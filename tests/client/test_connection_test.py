"""The *Test* button: what it says of platforms that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.client.connection_test import check_connection

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.process import SandboxProcess


@pytest.mark.parametrize(
    "shape",
    ["", "camel-case", "envelope-data", "values-path", "page-number", "slash-404", "uuid-ids", "field-types-path"],
)
def test_platforms_that_are_recognized(sandbox: SandboxProcess, settings_for: Any, shape: str) -> None:
    sandbox.options(shape=[shape] if shape else [])
    ok, message = check_connection(settings_for(sandbox))
    assert ok
    assert message.endswith("This client sees 2 report templates.")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("customer-reference", "report: no customer_identifier (names that are not known: customer_reference"),
        ("status-german", "report: the status 'eingereicht' is not known"),
    ],
)
def test_what_must_be_written(sandbox: SandboxProcess, settings_for: Any, shape: str, text: str) -> None:
    sandbox.options(shape=[shape])
    ok, message = check_connection(settings_for(sandbox))
    assert ok
    assert f" Differs: {text}" in message or f"; {text}" in message
    assert "python -m airflow_provider_openesg check" in message
    assert len(message) < 700


@pytest.mark.parametrize(
    ("path", "status", "body", "texts"),
    [
        ("/reports$", 404, "{}", ["reports: ", "HTTP 404", "[paths]"]),
        ("/reports$", 403, "{}", ["reports: ", "HTTP 403", "Scope"]),
        ("/report-requests$", 200, '{"a": [{"id": 1}], "b": [{"id": 2}]}', ["report-requests: ", "'a' and 'b'"]),
        ("/reports$", 200, '{"items": [{"number": 1}], "count": 1}', ["reports: ", "'id'"]),
        ("/reports/", 200, "[]", []),
    ],
)
def test_what_cannot_be_read(
    sandbox: SandboxProcess, settings_for: Any, path: str, status: int, body: str, texts: list[str]
) -> None:
    if path == "/reports/":
        sandbox.options(shape=["values-single"])
    sandbox.fault("answer", path=path, status=status, body=body)
    ok, message = check_connection(settings_for(sandbox))
    assert not ok
    assert "Connected" not in message
    for text in texts:
        assert text in message


def test_organizations_may_be_missing(sandbox: SandboxProcess, settings_for: Any) -> None:
    sandbox.fault("answer", path="/organizations", status=404, body="{}")
    assert check_connection(settings_for(sandbox))[0]


def test_a_server_error_ends_it(sandbox: SandboxProcess, settings_for: Any) -> None:
    sandbox.fault("answer", path="/report-templates", status=500, body="{}")
    ok, message = check_connection(settings_for(sandbox, max_retry_time=0))
    assert not ok
    assert "HTTP 500" in message
    assert "GET /api/v1/reports" not in sandbox.state()["calls"]
