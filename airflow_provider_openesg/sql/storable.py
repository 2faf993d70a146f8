"""Convert values that some databases cannot store."""

from __future__ import annotations

import json
import logging

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.tables.decimals import decimals_as_text
from airflow_provider_openesg.tables.schemas import EXTRA

log = logging.getLogger(__name__)


def without_nul(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Replace U+0000 by U+FFFD in texts, and add the original texts to ``extra``, as JSON."""
    for position, field in enumerate(batch.schema):
        if not (pa.types.is_string(field.type) and _has_nul(batch.column(position))):
            continue
        texts = batch.column(position)
        hit = pc.fill_null(pc.match_substring(texts, "\0"), fill_value=False)
        log.warning(
            "Column %s: %d texts contain U+0000, which PostgreSQL cannot store. It is replaced by U+FFFD; column %s"
            " has the original texts.", field.name, pc.sum(hit).as_py(), EXTRA,
        )  # fmt: skip
        if EXTRA in batch.schema.names:
            at = batch.schema.get_field_index(EXTRA)
            rows = zip(batch.column(at).to_pylist(), texts.to_pylist(), strict=True)
            extra = [_with(old, field.name, text) if text and "\0" in text else old for old, text in rows]
            batch = batch.set_column(at, batch.schema.field(at), pa.array(extra, pa.string()))
        batch = batch.set_column(position, field, pc.replace_substring(texts, "\0", "\ufffd"))
    return batch


def _has_nul(texts: pa.StringArray) -> bool:
    """Return whether any text contains U+0000, by the bytes of all texts."""
    data = texts.buffers()[2]
    return data is not None and b"\0" in data.to_pybytes() and bool(pc.any(pc.match_substring(texts, "\0")).as_py())


def _with(extra: str | None, name: str, text: str) -> str:
    """Add a member to JSON, and leave the rest unchanged."""
    member = f"{json.dumps(name)}: {json.dumps(text)}}}"
    return "{" + member if extra is None or extra == "{}" else extra.rstrip()[:-1] + ", " + member


def as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Convert decimals, dates and times to text: ``1.500000000000``, ``2026-01-31 12:00:00.000000+00:00``."""
    for position, field in enumerate(batch.schema):
        column = batch.column(position)
        if pa.types.is_timestamp(field.type):
            text = pc.binary_join_element_wise(column.cast(pa.timestamp("us")).cast(pa.string()), "+00:00", "")
        elif pa.types.is_decimal(field.type):
            text = decimals_as_text(column)
        elif pa.types.is_date(field.type):
            text = column.cast(pa.string())
        else:
            continue
        batch = batch.set_column(position, field.with_type(pa.string()), text)
    return batch


def without_zone(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Convert times to UTC without a time zone."""
    for position, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type):
            naive = pa.timestamp("us")
            batch = batch.set_column(position, field.with_type(naive), batch.column(position).cast(naive))
    return batch
