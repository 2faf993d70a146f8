"""Which Airflow this is, for what not every one of them has."""

from __future__ import annotations

import airflow
from packaging.version import Version

AIRFLOW = Version(Version(airflow.__version__).base_version)

AIRFLOW_3 = Version("3.0") <= AIRFLOW
"""Assets have watchers, and Airflow does not fail a task over assets that only its run knows."""

AIRFLOW_3_3 = Version("3.3") <= AIRFLOW
"""A wait that begins in the triggerer finds its templates rendered, and assets have a state store."""
