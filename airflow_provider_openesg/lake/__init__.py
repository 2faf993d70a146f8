"""Write tables as files, on local disk or in an object store.

Importing this package loads neither pyarrow nor fsspec: operators check their parameters with it while a DAG is parsed.
"""

from __future__ import annotations

FILE_FORMATS = ("parquet", "jsonl", "csv")
"""Formats of files: Parquet, JSON Lines, CSV."""

PARTITIONS = ("template",)
"""What files can be partitioned by, in directories as Hive names them: ``template=vsme``."""
