"""Data of all benchmarks: reports of 60 field values, in the form that v1 is assumed to send."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

PAGE, VALUES = 100, 60
"""Reports of a page, field values of a report."""

DATATYPES = [
    *["decimal"] * 28,
    *["integer"] * 8,
    *["boolean"] * 7,
    *["text"] * 6,
    *["short_text"] * 6,
    *["daterange"] * 3,
    *["eu_economic_activity"] * 2,
]
TEXTS = ["Zählerstände der Standorte", "Managed by the site lead.", "n/a", "ISO 14001 seit 2019, jährlich geprüft"]


def sections() -> bytes:
    """Return the template's sections: six field types each."""
    made: list[dict[str, Any]] = []
    for number, datatype in enumerate(DATATYPES):
        if number % 6 == 0:
            made.append({"id": number // 6, "key": f"esg.vsme.s{number // 6}", "name": "Section", "field_types": []})
        metric = {"id": number, "key": datatype, "datatype": datatype, "units": [{"id": 1, "key": "kwh"}]}
        measurements = [{"id": 1, "key": "estimation"}, {"id": 2, "key": "measurement"}]
        made[-1]["field_types"].append(
            {"id": number, "key": f"esg.vsme.metric_{number}", "metric_type": metric, "measurements": measurements}
        )
    return msgspec.json.encode(made)


def page(number: int, draw: random.Random) -> bytes:
    """Return a page as v1 is assumed to send it: compact, values as text, one value in 20 with an unknown field."""
    return msgspec.json.encode({"items": [report(number * PAGE + each, draw) for each in range(PAGE)], "count": 10**6})


def report(number: int, draw: random.Random) -> dict[str, Any]:
    """Return a report with its values."""
    organization = {"id": number % 200, "name": f"Firma {number} GmbH", "type": "gmbh", "vat_id": "DE123456789"}
    return {
        "id": number,
        "template": 1,
        "report_request": number + 5000,
        "organization": {**organization, "homepage": "https://firma.example", "scoped_external_data": None},
        "user": {"id": number, "email": "a@firma.example", "first_name": "Anna", "last_name": "Müller"},
        "status": "submitted",
        "progress": 100,
        "period_start": "2025-01-01",
        "period_end": "2025-12-31",
        "customer_identifier": f"K-{number}",
        "reason": "",
        "created_at": "2026-01-01T10:00:00Z",
        "updated_at": "2026-02-01T10:00:00.123456Z",
        "submitted_at": "2026-02-01T10:00:00Z",
        "risk_class": draw.choice("ABC"),
        "field_values": [value(number, place, datatype, draw) for place, datatype in enumerate(DATATYPES)],
    }


def value(report_number: int, place: int, datatype: str, draw: random.Random) -> dict[str, Any]:
    """Return a field value."""
    number = report_number * VALUES + place
    made = {
        "id": number,
        "organization": report_number % 200,
        "value": text(datatype, draw) if draw.random() < 0.9 else None,
        "value_complex": {"parts": [{"year": 2024, "value": "1.00"}]} if draw.random() < 0.02 else None,
        "comment": draw.choice(["", "", "geschätzt"]),
        "measurement": draw.choice([1, 2, None]),
        "attachment": {"name": "beleg.pdf", "url": f"/{number}.pdf", "size": 12345} if draw.random() < 0.02 else None,
        "instance_id": 1 if place > 48 else None,
        "valid": True,
        "required": place % 2 == 0,
        "section": place // 6,
        "field_type": place,
    }
    return {**made, "confidence": round(draw.random(), 3)} if draw.random() < 0.05 else made


def text(datatype: str, draw: random.Random) -> str:
    """Return a value as text; one number in 50 has German format."""
    if datatype == "decimal":
        return f"{draw.uniform(0, 1e6):.2f}" if draw.random() < 0.98 else "1.234,56"
    if datatype == "integer":
        return str(draw.randint(0, 5000))
    if datatype == "boolean":
        return draw.choice(["true", "false"])
    fixed = {"daterange": "2025-01-01 - 2025-12-31", "eu_economic_activity": "12.12.12 | Fischerei"}
    return fixed.get(datatype) or draw.choice(TEXTS)


def checksum(pairs: Iterable[tuple[Any, str | None]]) -> int:
    """Return a checksum of ids and texts that does not depend on the order.

    :param pairs: id and value of each field value; an empty text equals none, as for readers of CSV and for DuckDB.
    """
    return sum(zlib.crc32(f"{number}={each or ''}".encode()) for number, each in pairs)
