"""Translate records of the assumed API to a shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.sandbox.shapes.ids import shaped_id
from airflow_provider_openesg.sandbox.shapes.values import (
    FIELD_TYPES,
    shaped_date,
    shaped_field_type,
    shaped_value,
    status_word,
)
from airflow_provider_openesg.sandbox.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_openesg.sandbox.shapes.table import Shape

Record = dict[str, Any]

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "report_template": {"organization": "organization"},
    "section": {"parent_id": "section"},
    "field_type": {"section": "section"},
    "field_value": {
        "organization": "organization",
        "measurement": "measurement",
        "section": "section",
        "field_type": "field_type",
    },
    "report": {"template": "report_template", "report_request": "report_request", "organization": "organization"},
    "report_request": {
        "organization": "organization",
        "report_template": "report_template",
        "report": "report",
    },
}
"""Kind of the referenced record, by kind of record and field."""

NESTED: Mapping[str, Mapping[str, str]] = {
    "report_template": {"catalog": "catalog", "sections": "section"},
    "section": {"field_types": "field_type", "children": "section", "field_values": "field_value"},
    "field_type": {"metric_type": "metric_type", "measurements": "measurement"},
    "metric_type": {"units": "unit"},
    "report": {"user": "user", "field_values": "field_value", "sections": "section"},
    "report_request": {"user": "user"},
    "created_report_request": {"report_request": "report_request"},
}
"""Kind of the nested records, by kind of record and field."""

KEYED: Mapping[str, Mapping[int, Record]] = {
    "report_template": {number: template.record for number, template in TEMPLATES.items()},
    "section": {section.id: section.record for template in TEMPLATES.values() for section in template.sections},
    "field_type": FIELD_TYPES,
}
"""Records by kind and id, for the kinds that have a key."""

_PERIODS = {"period": ("from", "to"), "reporting_period": ("start", "end")}


def collection(kind: str) -> str:
    """Return the name of a kind in URLs: ``reports``."""
    return f"{kind.replace('_', '-')}s"


class Records:
    """Translation of records, with the URL of the API for absolute URLs.

    :param base_url: scheme and host of the request.
    """

    def __init__(self, shape: Shape, base_url: str) -> None:
        self.shape, self.base_url = shape, base_url
        self._names: dict[str, str] = {}
        self._renamed: dict[str, str] = {
            "customer_identifier": shape.customer,
            "measurements": shape.measurements,
            "field_values": shape.values_name,
        }
        if shape.times == "created":
            self._renamed |= {"created_at": "created", "updated_at": "modified"}
        if shape.period == "start_date":
            self._renamed |= {"period_start": "start_date", "period_end": "end_date"}

    def name(self, name: str) -> str:
        """Return the name that a field has."""
        if name not in self._names:
            shaped = self._renamed.get(name, name)
            if self.shape.british:
                shaped = shaped.replace("organization", "organisation")
            if self.shape.camel_case:
                shaped = re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), shaped)
            self._names[name] = shaped
        return self._names[name]

    def reference_name(self, kind: str, name: str) -> str:
        """Return the name that a reference to a record of this kind has."""
        style = self.shape.references
        if kind == "field_type" and self.shape.field_type_key:
            name = "field_type_key"
        elif style == "suffixed":
            name = f"{name.removesuffix('_id')}_id"
        elif style in ("object", "url") or (style in ("key", "key-object") and kind in KEYED):
            name = name.removesuffix("_id")
        return self.name(name)

    def id(self, kind: str, number: int) -> int | str:
        """Return the id of a record."""
        return shaped_id(kind, number) if self.shape.ids == "uuid" else number

    def url(self, kind: str, number: int) -> str:
        """Return the absolute URL of a record."""
        return f"{self.base_url}/api/v1/{collection(kind)}/{self.id(kind, number)}/"

    def record(self, kind: str, record: Record) -> Record:
        """Return a record with the names, references, values and words of the shape."""
        shaped, references = self._fields(kind, record)
        for name, value in references.items():
            target = REFERENCES[kind][name]
            shaped[self.reference_name(target, name)] = self._reference(target, value)
        return shaped

    def single(self, kind: str, record: Record) -> Record:
        """Return a record as the complete response to a request."""
        return {"data": self.resource(kind, record)} if self.shape.envelope == "jsonapi" else self.record(kind, record)

    def resource(self, kind: str, record: Record) -> Record:
        """Return a record in JSON:API. Nested records, such as a report's organization, are attributes."""
        attributes, references = self._fields(kind, record)
        relationships: Record = {}
        for name, value in references.items():
            target = REFERENCES[kind][name]
            if isinstance(value, dict):
                attributes[self.name(name)] = self.record(target, value)
            else:
                data = None if value is None else {"type": collection(target), "id": str(self.id(target, value))}
                relationships[self.name(name.removesuffix("_id"))] = {"data": data}
        for name in self._identity(kind, record["id"]):
            del attributes[name]
        shaped = {"id": str(self.id(kind, record["id"])), "type": collection(kind), "attributes": attributes}
        return shaped | ({"relationships": relationships} if relationships else {})

    def report(self, record: Record, *, in_list: bool) -> Record:
        """Return a report with its field values in the place of the shape, before translation."""
        place = self.shape.values
        if place == "path" or (place == "record" and in_list):
            return {name: value for name, value in record.items() if name != "field_values"}
        if place == "empty-in-list" and in_list:
            return record | {"field_values": []}
        if place == "sections" and "field_values" in record:
            by_section: dict[int, list[Record]] = {}
            for value in record["field_values"]:
                by_section.setdefault(_number(value["section"]), []).append(value)
            sections = [
                {"id": number, "key": KEYED["section"][number]["key"], "field_values": values}
                for number, values in by_section.items()
            ]
            return {name: value for name, value in record.items() if name != "field_values"} | {"sections": sections}
        return record

    def template(self, record: Record, *, in_list: bool) -> Record:
        """Return a template with its sections if the shape has them there, before translation."""
        if self.shape.sections == "path" or (self.shape.sections == "record" and in_list):
            return record
        return record | {"sections": self.sections(each.record for each in TEMPLATES[record["id"]].sections)}

    def sections(self, records: Iterable[Record]) -> list[Record]:
        """Return the sections of a template: all of them, or those without parent with their children."""
        records = list(records)
        if not self.shape.sections_tree:
            return records

        def children(parent: int | None) -> list[Record]:
            return [each | {"children": children(each["id"])} for each in records if each["parent_id"] == parent]

        return children(None)

    def _fields(self, kind: str, record: Record) -> tuple[Record, Record]:
        """Return the translated fields of a record, and its references, which are not translated."""
        fields: Record = {}
        references: Record = {}
        nested = NESTED.get(kind, {})
        for name, value in self._prepared(kind, record).items():
            if name in REFERENCES.get(kind, {}):
                references[name] = value
            elif name == "id":
                fields |= self._identity(kind, value)
            elif name in nested and isinstance(value, list):
                fields[self.name(name)] = [self.record(nested[name], each) for each in value]
            elif name in nested and value is not None:
                fields[self.name(name)] = self.record(nested[name], value)
            else:
                fields[self.name(name)] = value
        return fields, references

    def _identity(self, kind: str, number: int) -> Record:
        return {self.shape.ids: self.url(kind, number) if self.shape.ids == "url" else self.id(kind, number)}

    def _prepared(self, kind: str, record: Record) -> Record:
        if kind == "field_value":
            return shaped_value(self.shape, record)
        # With the option `references="nested"`, referenced records are incomplete.
        if kind == "field_type" and "metric_type" in record:
            return shaped_field_type(self.shape, record)
        if kind == "section" and self.shape.field_types == "path":
            return {name: value for name, value in record.items() if name != "field_types"}
        if kind not in ("report", "report_request"):
            return record
        record = dict(record)
        if isinstance(record.get("status"), str):
            record["status"] = status_word(self.shape, record["status"])
        for name in ("period_start", "period_end", "submission_date"):
            if name in record:
                record[name] = shaped_date(self.shape, record[name])
        if self.shape.period in _PERIODS and "period_start" in record:
            start, end = _PERIODS[self.shape.period]
            record[self.shape.period] = {start: record.pop("period_start"), end: record.pop("period_end")}
        return record

    def _reference(self, kind: str, value: Any) -> Any:
        if value is None:
            return None
        number, style = _number(value), self.shape.references
        if kind == "field_type" and self.shape.field_type_key:
            return KEYED[kind][number]["key"]
        if style == "url":
            return self.url(kind, number)
        if style in ("key", "key-object") and kind in KEYED:
            key = KEYED[kind][number]["key"]
            return {"key": key} if style == "key-object" else key
        if style == "object" and not isinstance(value, dict):
            known = KEYED[kind][number] if kind in KEYED else {}
            return self._identity(kind, number) | {name: known[name] for name in ("key", "name") if name in known}
        return self.record(kind, value) if isinstance(value, dict) and style != "suffixed" else self.id(kind, number)


def _number(reference: Any) -> int:
    number: int = reference["id"] if isinstance(reference, dict) else reference
    return number
