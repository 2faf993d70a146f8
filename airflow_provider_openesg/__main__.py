"""Commands: ``python -m airflow_provider_openesg check --conn-id openesg_default``."""

from __future__ import annotations

import sys

from airflow_provider_openesg.cli import main

if __name__ == "__main__":
    sys.exit(main())
