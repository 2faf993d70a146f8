"""Where tables go: files in object storage, tables of a database.

Importing this package loads neither pyarrow nor a database driver: operators check their parameters with it while a DAG
is parsed.
"""

from __future__ import annotations

FILE_FORMATS = ("parquet", "jsonl", "csv")
"""Formats of files: Parquet, JSON Lines, CSV."""

PARTITIONS = ("template",)
"""What files can be partitioned by, in directories as Hive names them: ``template=vsme``."""

WRITE_MODES = ("merge", "replace", "append")
"""What happens to rows that a database table already has."""
