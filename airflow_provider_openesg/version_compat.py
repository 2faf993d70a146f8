"""The version of Airflow, for features that only some versions have."""

from __future__ import annotations

import airflow
from packaging.version import Version

AIRFLOW = Version(Version(airflow.__version__).base_version)

AIRFLOW_3 = Version("3.0") <= AIRFLOW
"""Assets have watchers, and a task may emit assets that are known only at runtime."""

AIRFLOW_3_3 = Version("3.3") <= AIRFLOW
"""Templates are rendered in waits that start in the triggerer."""
