"""dlt's rest_api source; runs in a separate environment (see ``pull.py``)."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import measured

home = tempfile.TemporaryDirectory()
os.environ.update(DLT_DATA_DIR=home.name, RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402


def pull(base: str, target: str, place: str) -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{base}/api/v1/",
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": f"{base}/o/token/",
                    "client_id": "bench",
                    "client_secret": "bench",
                },
                "paginator": {"type": "offset", "limit": 100, "total_path": "count"},
            },
            "resource_defaults": {
                "primary_key": "id",
                "write_disposition": "merge",
                "endpoint": {"data_selector": "items"},
            },
            "resources": ["reports"],
        }
    )
    loader = "csv" if target == "postgres" else "parquet"  # the fastest that it has for each
    if target == "parquet":
        destination = dlt.destinations.filesystem(bucket_url=Path(place).absolute().as_uri())
    elif target == "duckdb":
        destination = dlt.destinations.duckdb(place)
    else:
        user, host, port, database, _ = place.split()
        destination = dlt.destinations.postgres(f"postgresql://{user}:none@{host}:{port}/{database}")
    dataset = place.split()[-1] if target == "postgres" else "bench"
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name=dataset, pipelines_dir=home.name)
    disposition = "append" if target == "parquet" else "merge"
    print(pipeline.run(source, loader_file_format=loader, write_disposition=disposition), file=sys.stderr)


measured.run(pull)
