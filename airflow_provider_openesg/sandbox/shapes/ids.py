"""UUIDs for the ids of records. They can be converted to each other, so no table of them is needed."""

from __future__ import annotations

import re
import zlib

# An odd number has an inverse modulo a power of two. The order of the UUIDs differs from the order of the ids.
_MODULUS = 2**48
_FACTOR = 0x9E3779B97F4B
_INVERSE = pow(_FACTOR, -1, _MODULUS)
_MIDDLE = "-5e5e-4000-8000-"


def shaped_id(kind: str, number: int) -> str:
    """Return the UUID that the shape ``uuid-ids`` has for an id.

    :param kind: kind of record: ``report``, ``report_request``, ``report_template``, ``organization``, ``section``,
        ``field_type``, ``field_value``, ``measurement``, ``user``, ``unit``, ``metric_type`` or ``catalog``.
    """
    return f"{zlib.crc32(kind.encode()):08x}{_MIDDLE}{number * _FACTOR % _MODULUS:012x}"


def number_of(kind: str, text: str) -> int | None:
    """Return the id that belongs to a UUID, or ``None`` if it is not a UUID of this kind."""
    if not re.fullmatch(f"{zlib.crc32(kind.encode()):08x}{_MIDDLE}[0-9a-f]{{12}}", text.lower()):
        return None
    return int(text[-12:], 16) * _INVERSE % _MODULUS
