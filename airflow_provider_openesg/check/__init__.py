"""Compare a platform with what is assumed of it, and propose what to write down."""

from __future__ import annotations

from airflow_provider_openesg.check.result import CheckResult
from airflow_provider_openesg.check.run import run_check

__all__ = ["CheckResult", "run_check"]
