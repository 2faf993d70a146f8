"""A report to fill, and the requests to the sandbox."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.sandbox.process import SandboxProcess

PATCH, ATTACH, SUBMIT = (
    "PATCH /api/v1/reports/{id}",
    "POST /api/v1/reports/{id}/field-values/{id}/attachment",
    "POST /api/v1/reports/{id}/submit",
)


@pytest.fixture
def platform(sandbox: SandboxProcess, token_cache_dir: Any, connect: Callable[..., None]) -> SandboxProcess:
    """The sandbox behind a Connection with a timeout of 1 s, which is also the pause before a second lookup."""
    connect(sandbox, timeout=1)
    return sandbox


@pytest.fixture
def report_id(platform: SandboxProcess) -> int:
    """A report of the template vsme that is not started."""
    return _requested("vsme")


@pytest.fixture
def basics_id(platform: SandboxProcess) -> int:
    """A report of the short template that is not started."""
    return _requested("supplier-basics")


def _requested(template: str) -> int:
    with OpenESGHook() as hook:
        filters = {"status": "requested", "template": template}
        return int(next(hook.iter_records("reports", filters=filters))["id"])


@pytest.fixture
def sent(platform: SandboxProcess) -> Callable[[], Counter[str]]:
    """Count the calls that change something."""

    def count() -> Counter[str]:
        calls = platform.state()["calls"]
        return Counter(
            {name: number for name, number in calls.items() if not name.startswith("GET") and "/o/" not in name}
        )

    return count


@pytest.fixture
def stored() -> Callable[..., dict[Any, Any]]:
    """Read a part of the field values of a report by field key, or by key and instance."""

    def values(report_id: int, part: str = "value") -> dict[Any, Any]:
        with OpenESGHook() as hook:
            report = hook.get_record("reports", report_id)
            sections = hook.client.with_details("report-templates", {"id": report["template"]})["sections"]
        keys = {each["id"]: each["key"] for section in sections for each in section["field_types"]}
        by_place = [(keys[each["field_type"]], each["instance_id"], each[part]) for each in report["field_values"]]
        assert len({place[:2] for place in by_place}) == len(by_place)
        return {key if instance is None else (key, instance): value for key, instance, value in by_place}

    return values
