"""Which Airflow this is, for what not every one of them has."""

from __future__ import annotations

import airflow
from packaging.version import Version

AIRFLOW = Version(Version(airflow.__version__).base_version)

EMITS_ASSETS = Version("3.0") <= AIRFLOW
"""Whether a task may emit assets that only its run knows: ``dag.test()`` of Airflow 2 fails on them."""

RENDERS_IN_TRIGGERER = Version("3.3") <= AIRFLOW
"""Whether a wait that begins in the triggerer finds its templates rendered."""
