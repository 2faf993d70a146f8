"""Write tables into databases.

Importing this package loads neither pyarrow nor a database driver: operators check their parameters with it while a DAG
is parsed.
"""

from __future__ import annotations

WRITE_MODES = ("merge", "replace", "append")
"""What happens to the rows that a database table already has."""
