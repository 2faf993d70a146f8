"""A function that checks the sandbox in a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg.api_document import read_api
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.check import CheckResult, run_check
from airflow_provider_openesg.client.samples import sampling_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.sandbox.process import SandboxProcess
    from airflow_provider_openesg.settings import OpenESGSettings


@pytest.fixture
def run(sandbox: SandboxProcess, settings_for: Callable[..., OpenESGSettings]) -> Callable[..., CheckResult]:
    """Check the sandbox: names of shapes, the profile as TOML, a schema, and extra fields of the Connection."""

    def check(*shape: str, profile: str = "", schema: Any = None, **extra: Any) -> CheckResult:
        sandbox.options(shape=list(shape))
        api = {"api": profile} if profile else {}
        assert read_api(profile, "test")
        with sampling_client(settings_for(sandbox, **api, **extra), cache=open_cache("off")) as client:
            return run_check(client, schema)

    return check
