"""Write tables into databases.

Importing this package loads neither pyarrow nor a database driver: operators check their parameters with it while a DAG
is parsed.
"""

from __future__ import annotations

from typing import Literal, get_args

WriteMode = Literal["merge", "replace", "append"]
"""How rows that already exist in a database table are treated."""

WRITE_MODES: tuple[WriteMode, ...] = get_args(WriteMode)
