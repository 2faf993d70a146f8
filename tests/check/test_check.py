"""The check of a platform, over real sockets, in every shape of the sandbox."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.api_document import read_api
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.sandbox.shapes.table import SHAPES
from airflow_provider_openesg.tables.read import iter_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_openesg.check import CheckResult
    from airflow_provider_openesg.sandbox.process import SandboxProcess

Run = "Callable[..., CheckResult]"

MUST_BE_WRITTEN = {
    "customer-reference": {
        '[names.report] customer_identifier = "customer_reference"',
        '[names.report_request] customer_identifier = "customer_reference"',
        '[filters.reports] customer_identifier = "customer_reference"',
        '[filters.report_requests] customer_identifier = "customer_reference"',
    },
    "status-german": {
        *(
            f'[words.status] {word} = "..."'
            for word in ("eingereicht", "angefordert", "in_bearbeitung", "abgelehnt")
        ),
        *(f'[words.request_status] {word} = "..."' for word in ("genehmigt", "abgelehnt", "erstellt")),
    },
}  # fmt: skip
"""Shapes that need a profile, and its lines. All other shapes are recognized."""

GERMAN = {
    "eingereicht": "submitted", "angefordert": "requested", "in_bearbeitung": "in_progress", "abgelehnt": "declined",
    "genehmigt": "approved", "erstellt": "created",
}  # fmt: skip

RECOGNIZED = {
    "page-number": "pages by number",
    "cursor": "pages by link",
    "unpaged": "the whole list in one response",
    "envelope-data": "rows under 'data', total under 'meta.pagination.total'",
    "camel-case": "'customer_identifier' under 'customerIdentifier'",
    "values-path": "field_values at reports/{id}/field-values",
    "sections-in-row": "sections are in the rows of the list",
    "field-types-path": "field types at report-templates/{id}/field-types",
    "status-upper": "status 'SUBMITTED' is 'submitted'",
    "slash": "they end with a slash",
    "filters-ignored": "customer_identifier is ignored. All rows are read and compared.",
}


@pytest.fixture(scope="module")
def company_texts(sandbox_process: SandboxProcess, settings_for: Any) -> set[str]:
    """Return the texts of companies and people: all that is not a word of the API or a number."""
    sandbox_process.reset()
    sandbox_process.options(shape=[])
    with OpenESGClient(settings_for(sandbox_process)) as client:
        lists = ("organizations", "report-requests", "reports")
        found = {text for name in lists for record in client.iter_records(name) for text in texts(record)}
    return {text for text in found if len(text) > 4 and not re.fullmatch(r"[a-z_]+|\d+", text)}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def output(result: CheckResult) -> str:
    return "\n".join([result.text(), result.as_json(), result.toml])


def without_values(text: str, values: set[str], *more: str) -> None:
    assert not [value for value in {*values, *more} if value in text]
    # Ids of reports, requests and organizations; no number of the output is so large.
    assert not re.findall(r"\b(?:1[0-9]{3}|2[0-9]{3})\b", re.sub(r"HTTP \d+", "", text))


@pytest.mark.parametrize("shape", ["", *SHAPES])
def test_every_shape(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, company_texts: set[str], shape: str
) -> None:
    extra = {"scope": "read"} if shape == "scope-required" else {}
    result = run(*([shape] if shape else []), **extra)
    proposals = {str(proposal) for line in result.lines for proposal in line.proposals}
    assert (result.exit_status, proposals) == (int(shape in MUST_BE_WRITTEN), MUST_BE_WRITTEN.get(shape, set()))
    assert RECOGNIZED.get(shape, "") in " ".join(result.text().split())
    without_values(output(result), company_texts, sandbox.client_secret)
    state = sandbox.state()
    assert {call.split()[0] for call in state["calls"] if "/o/token" not in call} == {"GET"}
    read_api(result.toml, "proposal")


@pytest.mark.parametrize("shape", ["customer-reference", "status-german", "customer-reference,camel-case,page-number"])
def test_the_completed_proposal_ends_with_0_and_the_same_pull(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, settings_for: Any, shape: str
) -> None:
    def pull(**extra: Any) -> dict[str, list[Any]]:
        with OpenESGClient(settings_for(sandbox, **extra)) as client:
            rows: dict[str, list[Any]] = {}
            for name, batch in iter_tables(client, ["reports", "report_requests"]):
                rows.setdefault(name, []).extend(batch.drop_columns("extra").to_pylist())
        return rows

    expected = pull()
    first = run(*shape.split(","))
    assert first.exit_status == 1
    profile = re.sub(
        r'^# (\w+) = "\.\.\."(  # .*)?$',
        lambda match: f'{match[1]} = "{GERMAN[match[1]]}"',
        first.toml,
        flags=re.MULTILINE,
    )
    second = run(*shape.split(","), profile=profile)
    assert second.exit_status == 0, second.text()
    assert pull(api=profile) == expected
    assert read_api(second.toml, "second") == read_api(profile, "first")


def test_the_assumed_platform_has_an_empty_profile(run: Callable[..., CheckResult]) -> None:
    result = run()
    assert (result.exit_status, result.toml, result.differences) == (0, "", [])
    states = {line.key: line.state for line in result.lines}
    assert states["token"] == states["clock"] == states["schema"] == states["names.report"] == "as assumed"
    assert set(states.values()) == {"as assumed", "differs, recognized", "cannot be told"}


def test_a_field_that_the_platform_does_not_have(run: Callable[..., CheckResult]) -> None:
    profile = '[names.report]\ncustomer_identifier = ""\n[names.report_request]\ncustomer_identifier = ""\n'
    result = run("customer-reference", profile=profile)
    assert result.exit_status == 0, result.text()


def test_json_has_stable_keys(run: Callable[..., CheckResult]) -> None:
    content = json.loads(run("status-german").as_json())
    assert list(content) == ["version", "exit_status", "summary", "lines", "toml"]
    assert {tuple(line) for line in content["lines"]} == {("key", "state", "text", "write")}


# Answers with values of a company in places that error messages quote.
_SECRET = "Geheim Holding KG"
ODD = {
    "HTML": ("<html>Geheim Holding KG</html>", "text/html"),
    "not objects": ('{"items": ["Geheim Holding KG"], "count": 1}', "application/json"),
    "two lists": (json.dumps({"a": [{"id": 1, "name": _SECRET}], "b": [{"id": 2}]}), "application/json"),
    "no id": (json.dumps({"items": [{"name": _SECRET}], "count": 1}), "application/json"),
    "odd total": (json.dumps({"items": [], "count": _SECRET}), "application/json"),
    "no list": (json.dumps({"detail": _SECRET}), "application/json"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_list_that_is_not_understood(run: Callable[..., CheckResult], sandbox: SandboxProcess, name: str) -> None:
    body, kind = ODD[name]
    sandbox.fault("answer", path="/api/v1/reports$", status=200, body=body, headers={"Content-Type": kind})
    result = run()
    assert result.exit_status == 1
    line = next(line for line in result.lines if line.key == "envelope.reports")
    assert line.state == "differs: write this"
    rows = '[envelope] rows = "..."'
    written = {"two lists": rows, "no list": rows, "not objects": rows, "no id": '[names.report] id = "..."'}
    assert list(map(str, line.proposals)) == ([written[name]] if name in written else [])
    assert "Geheim" not in output(result)


@pytest.mark.parametrize(
    ("path", "status", "exit_status", "text"),
    [
        ("/o/token/", 404, 2, "no openESG token endpoint"),
        ("/api/v1/(reports|report-)", 404, 2, "Check Base URL and API path"),
        ("/api/v1/organizations", 404, 0, "organizations are read from other records"),
        ("/api/v1/reports", 403, 1, "set Scope in the Connection"),
        ("/api/v1/report-requests", 404, 1, '[paths] report_requests = "..."'),
    ],
)
def test_what_cannot_be_read(
    run: Callable[..., CheckResult], sandbox: SandboxProcess, path: str, status: int, exit_status: int, text: str
) -> None:
    sandbox.fault("answer", path=path, status=status, body='{"detail": "Geheim Holding KG"}')
    result = run(max_retry_time=0)
    assert result.exit_status == exit_status
    assert text in " ".join(result.text().split())
    assert "Geheim" not in output(result)
    assert not result.temporary


def test_a_server_error_is_temporary(run: Callable[..., CheckResult], sandbox: SandboxProcess) -> None:
    sandbox.fault("answer", path="/api/v1/reports", status=503, body="{}")
    result = run(max_retry_time=0)
    assert (result.exit_status, result.temporary) == (2, True)


def test_strict_does_not_end_the_check(run: Callable[..., CheckResult]) -> None:
    assert run("status-german", strict=True).exit_status == 1
