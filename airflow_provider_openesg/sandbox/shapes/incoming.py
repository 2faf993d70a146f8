"""Translate requests of a shape to the assumed API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.sandbox.shapes.errors import RefusedError, invalid
from airflow_provider_openesg.sandbox.shapes.ids import number_of
from airflow_provider_openesg.sandbox.shapes.records import KEYED
from airflow_provider_openesg.sandbox.shapes.values import FIELD_TYPES, plain_date, plain_status, plain_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_openesg.sandbox.shapes.records import Records
    from airflow_provider_openesg.sandbox.shapes.table import Shape

Record = dict[str, Any]

FILTERS = ("customer_identifier", "report_template", "report_request", "organization", "status", "updated_after", "key")
_REFERENCED = {
    "report_template": "report_template",
    "report_request": "report_request",
    "organization": "organization",
    "field_type": "field_type",
    "measurement": "measurement",
}


class Incoming:
    """Translation of paths, queries and bodies.

    :param records: translation of the records of the same shape, which has the names of fields.
    """

    def __init__(self, shape: Shape, records: Records) -> None:
        self._shape, self._records = shape, records

    def path_id(self, kind: str, text: str) -> str:
        """Return the assumed API's id for an id in a path.

        :raises RefusedError: if there is no such id (404).
        """
        number = number_of(kind, text) if self._shape.ids == "uuid" else text
        if number is None:
            raise RefusedError(404, "Not Found")
        return str(number)

    def query(self, query: Mapping[str, str]) -> dict[str, str]:
        """Return the filters of a list."""
        filters: dict[str, str] = {}
        for sent, value in query.items():
            name = self._filter(sent)
            if name not in FILTERS or self._shape.filters_ignored in ("all", name):
                continue
            if name == "status":
                value = plain_status(self._shape, value)
            elif name in _REFERENCED:
                value = str(self.number(_REFERENCED[name], value))
            filters[name] = value
        return filters

    def new_request(self, body: Any) -> Any:
        """Return the body of a new report request.

        :raises RefusedError: if the body has a field that does not exist (422).
        """
        # The schemas can only be imported after Django is configured.
        from airflow_provider_openesg.sandbox.schemas import NewReportRequest

        known = {*NewReportRequest.model_fields, "company_name", "vat_id"}
        names = {self._sent_name(name): name for name in known}
        if self._shape.envelope == "jsonapi":
            names[self._records.name("report_template")] = "report_template"  # the name of the relationship
        body = self._fields(body, names, ["body", "body"])
        if isinstance(body, dict):
            for name in ("submission_date", "creation_date"):
                if name in body:
                    body[name] = plain_date(self._shape, body[name])
        return body

    def change(self, body: Any, values: Iterable[Record]) -> Any:
        """Return the body of a change of a report.

        :param values: the report's field values.
        :raises RefusedError: if the body has a field that does not exist (422).
        """
        from airflow_provider_openesg.sandbox.schemas import FieldValueChange

        body = self._fields(body, {self._records.name("field_values"): "field_values"}, ["body", "body"])
        if not isinstance(body, dict) or not isinstance(body.get("field_values"), list):
            return body
        names = {self._sent_name(name): name for name in FieldValueChange.model_fields}
        if self._shape.own_unit:
            names["unit"] = "unit"
        values = list(values)
        types: dict[Any, int] = {value["id"]: value["field_type"] for value in values}
        changes = []
        for number, sent in enumerate(body["field_values"]):
            change = self._fields(sent, names, ["body", "body", "field_values", number])
            if isinstance(change, dict):
                field_type = change.get("field_type", types.get(change.get("id"), 0))
                known = FIELD_TYPES.get(field_type) if isinstance(field_type, int) else None
                change = plain_value(self._shape, known, change)
            changes.append(change)
        if self._shape.patch_replaces:
            changes += _cleared(values, changes)
        return body | {"field_values": changes}

    def number(self, kind: str, value: Any) -> Any:
        """Return the id for a reference: an id, a UUID, a key, a URL, or an object with one of these."""
        if isinstance(value, dict):
            value = next((value[name] for name in ("id", "uuid", "pk", "url", "key") if name in value), value)
        if not isinstance(value, str):
            return value
        text = value.rstrip("/").rpartition("/")[2]
        keys = {record["key"]: number for number, record in KEYED.get(kind, {}).items()}
        found = keys.get(text, number_of(kind, text))
        return found if found is not None else int(text) if text.isdecimal() else value

    def error(self, status: int, detail: Any) -> RefusedError:
        """Return an error of the assumed API, with the shape's names of fields."""
        if isinstance(detail, list):
            detail = [
                each | {"loc": [self._sent_name(part) if isinstance(part, str) else part for part in each["loc"]]}
                for each in detail
            ]
        return RefusedError(status, detail)

    def _fields(self, sent: Any, names: Mapping[str, str], location: list[str | int]) -> Any:
        """Return an object with the names and references of the assumed API."""
        if not isinstance(sent, dict):
            return sent
        if self._shape.envelope == "jsonapi" and isinstance(sent.get("data"), dict):
            relationships = sent["data"].get("relationships", {})
            sent = sent["data"].get("attributes", {}) | {
                name: each.get("data") for name, each in relationships.items() if isinstance(each, dict)
            }
        fields = {}
        for name, value in sent.items():
            if name not in names:
                raise invalid("extra_forbidden", [*location, name], "Extra inputs are not permitted")
            known = names[name]
            kind = "field_value" if known == "id" else _REFERENCED.get(known)
            fields[known] = value if kind is None or value is None else self.number(kind, value)
        return fields

    def _sent_name(self, name: str) -> str:
        if name == "id":
            return self._shape.ids
        if name in _REFERENCED:
            return self._records.reference_name(_REFERENCED[name], name)
        return self._records.name(name)

    def _filter(self, sent: str) -> str:
        if sent == self._shape.customer:
            return "customer_identifier"
        if self._shape.british and sent == "organisation":
            return "organization"
        return "" if sent == "customer_identifier" else sent


def _cleared(values: Iterable[Record], changes: Iterable[Any]) -> list[Record]:
    """Return changes that clear the values that the changes do not name."""
    named = [change for change in changes if isinstance(change, dict)]
    ids = {change.get("id") for change in named}
    fields = {(change.get("field_type"), change.get("instance_id")) for change in named if change.get("id") is None}
    return [
        {"id": value["id"], "value": None}
        for value in values
        if value["id"] not in ids and (value["field_type"], value["instance_id"]) not in fields
    ]
