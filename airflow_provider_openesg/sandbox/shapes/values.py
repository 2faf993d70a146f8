"""Translate values, dates, data types and status words to a shape and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_openesg.sandbox.templates import TEMPLATES

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.shapes.table import Shape

FIELD_TYPES: dict[int, dict[str, Any]] = {
    number: field_type.record
    for template in TEMPLATES.values()
    for number, (_, field_type) in template.field_types.items()
}

STATUS_LABELS = {
    "requested": "Angefordert",
    "in_progress": "In Bearbeitung",
    "submitted": "Eingereicht",
    "accepted": "Akzeptiert",
    "declined": "Abgelehnt",
    "withdrawn": "Zurückgezogen",
    "created": "Erstellt",
    "approved": "Genehmigt",
}
DATATYPE_WORDS = {
    "decimal": "number",
    "integer": "int",
    "string": "string",
    "text": "string",
    "short_text": "string",
    "boolean": "bool",
    "daterange": "date_range",
    "eu_economic_activity": "nace",
}
NUMERIC = ("decimal", "integer")
# Values may be malformed, or German already. These do not change. A leading zero is not a number in JSON.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_GERMAN_NUMBER = re.compile(r"-?[0-9]{1,3}(\.?[0-9]{3})*(,[0-9]+)?")
_DATE = re.compile(r"\b([0-9]{4})-([0-9]{2})-([0-9]{2})\b")
_GERMAN_DATE = re.compile(r"\b([0-9]{2})\.([0-9]{2})\.([0-9]{4})\b")


def status_word(shape: Shape, status: str) -> Any:
    """Return a status in the form of the shape."""
    if shape.status == "upper":
        return status.upper()
    label = STATUS_LABELS.get(status, status)
    if shape.status == "label":
        return {"key": status, "label": label}
    return label.lower().replace(" ", "_") if shape.status == "german" else status


def plain_status(shape: Shape, word: str) -> str:
    """Return the assumed API's status for a word of the shape, or a word that no record has."""
    if shape.status not in ("upper", "german"):
        return word
    return {status_word(shape, status): status for status in STATUS_LABELS}.get(word, f"not-{word}")


def shaped_date(shape: Shape, text: Any) -> Any:
    """Return a date, or a text with dates, in the form of the shape."""
    return _DATE.sub(r"\3.\2.\1", text) if shape.german_dates and isinstance(text, str) else text


def plain_date(shape: Shape, text: Any) -> Any:
    """Return a date of the shape in the form of the assumed API."""
    return _GERMAN_DATE.sub(r"\3-\2-\1", text) if shape.german_dates and isinstance(text, str) else text


def shaped_field_type(shape: Shape, record: dict[str, Any]) -> dict[str, Any]:
    """Return a field type with data type and units of the shape."""
    metric_type = dict(record["metric_type"])
    record = record | {"metric_type": metric_type}
    word = _datatype(shape, metric_type["datatype"])
    if shape.datatype_field == "metric_type.datatype":
        metric_type["datatype"] = word
    else:
        del metric_type["datatype"]
        record[shape.datatype_field] = word
    if shape.own_unit and metric_type["units"]:
        unit = metric_type["units"][0]
        second = {"id": unit["id"] + 1000, "key": f"thousand_{unit['key']}", "name": f"1000 {unit['name']}"}
        metric_type["units"] = [second, unit]
    return record


def _datatype(shape: Shape, datatype: str) -> Any:
    if shape.datatype == "upper":
        return datatype.upper()
    if shape.datatype == "label":
        return {"key": datatype, "label": datatype.replace("_", " ").capitalize()}
    return DATATYPE_WORDS.get(datatype, datatype) if shape.datatype == "words" else datatype


def shaped_value(shape: Shape, record: dict[str, Any]) -> dict[str, Any]:
    """Return a field value with ``value``, ``value_complex`` and ``unit`` of the shape."""
    number = record["field_type"]
    field_type = FIELD_TYPES[number["id"] if isinstance(number, dict) else number]
    datatype, text = field_type["metric_type"]["datatype"], record["value"]
    unit = next(iter(field_type["metric_type"]["units"]), None)
    record = dict(record)
    is_number = datatype in NUMERIC and bool(text) and _NUMBER.fullmatch(text) is not None
    if shape.own_unit and datatype in NUMERIC:
        record["unit"] = unit and {"key": unit["key"]}
    composed: Any = None
    if is_number:
        plain, text = text, _shaped_number(shape, text)
        if shape.value_form == "with-unit" and unit:
            text = f"{text} {unit['name']}"
        elif shape.value_form == "json":
            text = msgspec.Raw(plain.encode())
        composed = {"amount": text, "unit": unit and unit["key"]}
    elif datatype == "daterange" and text and " - " in text:
        text = shaped_date(shape, text)
        composed = dict(zip(("start", "end"), text.split(" - "), strict=True))
    elif datatype == "boolean" and shape.value_form == "json" and text in ("true", "false"):
        text = text == "true"
    if shape.value_form == "object" and composed:
        text = composed
    elif shape.value_form == "complex-only" and (composed or record["value_complex"]):
        text, record["value_complex"] = None, composed or record["value_complex"]
    record["value"] = text
    return record


def _shaped_number(shape: Shape, text: str) -> str:
    if not shape.german_numbers:
        return text
    whole, point, decimals = text.partition(".")
    return re.sub(r"(?<=[0-9])(?=([0-9]{3})+$)", ".", whole) + (point and f",{decimals}")


def plain_value(shape: Shape, field_type: dict[str, Any] | None, change: dict[str, Any]) -> dict[str, Any]:
    """Return a change of a field value, with ``value`` and ``value_complex`` in the form of the assumed API."""
    change = {name: value for name, value in change.items() if name != "unit"}
    composed = change.get("value_complex")
    # value_complex contains the complete value. The assumed API has it only for activities, as an addition to value.
    if shape.value_form == "complex-only" and change.get("value") is None and isinstance(composed, dict):
        if "code" in composed:
            change["value"] = f"{composed['code']} | {composed['name']}"
        else:
            change["value"] = change.pop("value_complex")
    value = change.get("value")
    if isinstance(value, dict):
        value = value["amount"] if "amount" in value else f"{value.get('start')} - {value.get('end')}"
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float) and shape.value_form == "json":
        value = str(value)
    if isinstance(value, str) and field_type is not None:
        value = _plain_text(shape, field_type, value)
    return change | ({"value": value} if "value" in change else {})


def _plain_text(shape: Shape, field_type: dict[str, Any], text: str) -> str:
    metric_type = field_type["metric_type"]
    if metric_type["datatype"] in NUMERIC:
        for unit in metric_type["units"] if shape.value_form == "with-unit" else ():
            text = text.removesuffix(f" {unit['name']}")
        if shape.german_numbers and _GERMAN_NUMBER.fullmatch(text):
            text = text.replace(".", "").replace(",", ".")
    elif metric_type["datatype"] == "daterange":
        text = str(plain_date(shape, text))
    return text
