"""Decimal columns as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def decimals_as_text(numbers: pa.Decimal128Array) -> pa.StringArray:
    """Write all digits of the column's scale, those next to zero too, which Arrow gives an exponent."""
    texts = numbers.cast(pa.string())
    small = pc.match_substring(texts, "E")
    plain = [format(number, "f") for number in numbers.filter(small).to_pylist()]
    return pc.replace_with_mask(texts, small, pa.array(plain, pa.string()))
