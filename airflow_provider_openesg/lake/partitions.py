"""Rows by partition, in directories as Hive names them: ``template=vsme/``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name for null."""

PARTITIONED = ("report_requests", "reports", "field_values")
"""Tables that grow; the others have a few rows for each template."""

_ESCAPED = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


def directory(name: str, value: str | None) -> str:
    """Name the directory of a partition; special characters become ``%`` and their code, as in Hive."""
    return f"{name}={_ESCAPED.sub(lambda found: f'%{ord(found[0]):02X}', value) if value else NULL}"


class ByTemplate:
    """Splits rows by the key of their template, or by its id where it has no key."""

    def __init__(self) -> None:
        self._keys: dict[str, str | None] = {}

    def learn(self, templates: pa.RecordBatch) -> None:
        """Keep the keys of templates, which come before the rows that refer to them."""
        self._keys |= zip(templates.column("id").to_pylist(), templates.column("key").to_pylist(), strict=True)

    def split(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Give each partition's directory and rows; a batch without rows is one of the null partition."""
        column = batch.column("template_id")
        ids = column.unique().to_pylist() or [None]
        for each in ids:
            mine = pc.is_null(column) if each is None else pc.equal(column, each)
            yield (
                directory("template", self._keys.get(each) or each),
                # A null compared is null, which the filter drops.
                batch if len(ids) == 1 else batch.filter(mine),
            )
