"""Decimal columns as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def decimals_as_text(numbers: pa.Decimal128Array) -> pa.StringArray:
    """Return numbers with all digits of the column's scale. Arrow writes numbers close to zero with an exponent."""
    texts = numbers.cast(pa.string())
    small = pc.match_substring(texts, "E")
    plain = [format(number, "f") for number in numbers.filter(small).to_pylist()]
    return pc.replace_with_mask(texts, small, pa.array(plain, pa.string()))
