"""Write tables as files, on local disk or in an object store.

Importing this package loads neither pyarrow nor fsspec: operators check their parameters with it when a DAG is parsed.
"""

from __future__ import annotations

from typing import Literal, get_args

FileFormat = Literal["parquet", "jsonl", "csv"]
"""File formats, which are file extensions too. A class in :mod:`airflow_provider_openesg.lake.formats` writes each."""

FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

PartitionBy = Literal["template"]
"""What files can be partitioned by, in Hive-style folders: ``template=vsme``."""

PARTITIONS: tuple[PartitionBy, ...] = get_args(PartitionBy)
