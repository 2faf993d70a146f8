"""Which Airflow this is, for what not every one of them has."""

from __future__ import annotations

import airflow
from packaging.version import Version

AIRFLOW = Version(Version(airflow.__version__).base_version)

AIRFLOW_3 = Version("3.0") <= AIRFLOW
"""Assets have watchers, and ``dag.test()`` does not fail on assets that only the run knows."""

AIRFLOW_3_3 = Version("3.3") <= AIRFLOW
"""A wait that begins in the triggerer finds its templates rendered, and assets have a state store."""
