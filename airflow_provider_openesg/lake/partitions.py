"""Split rows into partitions, in folders named as in Hive: ``template=vsme/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Name of the partition of null in Hive."""

PARTITIONED = ("report_requests", "reports", "field_values")
"""Partitioned tables. The others have only a few rows per template."""

_ESCAPED = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


def partition_folder(name: str, value: str | None) -> str:
    """Return the folder name of a partition. Special characters become ``%`` and their code, as in Hive."""
    return f"{name}={_ESCAPED.sub(lambda match: f'%{ord(match[0]):02X}', value) if value else NULL}"


class ByTemplate:
    """Split rows by the key of their template, or by its id if it has no key."""

    def __init__(self) -> None:
        self._keys: dict[str, str | None] = {}

    def learn(self, templates: pa.RecordBatch) -> None:
        """Remember the keys of templates. Templates arrive before the rows that refer to them."""
        self._keys |= zip(templates.column("id").to_pylist(), templates.column("key").to_pylist(), strict=True)

    def split(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the folder and the rows of each partition. An empty batch belongs to the null partition."""
        column = batch.column("template_id")
        ids = column.unique().to_pylist() or [None]
        for each in ids:
            mine = pc.is_null(column) if each is None else pc.equal(column, each)
            yield (
                partition_folder("template", self._keys.get(each) or each),
                # Comparing null yields null, which the filter drops.
                batch if len(ids) == 1 else batch.filter(mine),
            )
