"""Names of what is sent: compared with what the schema requires of a report request and of an update."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from airflow_provider_openesg.api import REQUEST_FIELDS, UPDATE_FIELDS
from airflow_provider_openesg.check.result import AS_ASSUMED, UNKNOWN, WRITE, Line, Proposal
from airflow_provider_openesg.client.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_openesg.check.context import Read
    from airflow_provider_openesg.check.openapi import Object, OpenApi

SIMILAR = 0.7


def lines(read: Read) -> Iterator[Line]:
    """Yield a line for the names in a request and one for those in an update."""
    requests, reports = read.client.translator("report-requests"), read.client.translator("reports")
    names = {name: read.api.write.request.get(name) or requests.their_name(_assumed(name)) for name in REQUEST_FIELDS}
    yield _line(read, "request", "post", read.api.path("report-requests"), names)
    values = reports.part("field_values")
    names = {
        name: read.api.write.update.get(name)
        or (reports.their_name(name) if name == "field_values" else values.their_name(name))
        for name in UPDATE_FIELDS
    }
    yield _line(read, "update", "patch", f"{read.api.path('reports').rstrip('/')}/{{id}}", names)


def _line(read: Read, table: str, method: str, path: str, names: Mapping[str, str]) -> Line:
    key, schema = f"write.{table}", read.schema
    operation = schema.operation(method, path) if schema else None
    if schema is None or operation is None:
        why = "the platform shows no schema" if schema is None else f"the schema has no {method.upper()} {path}"
        return Line(key, UNKNOWN, f"{why}; a check sends nothing.")
    required = _required(schema, schema.body(operation))
    sent = {plain_name(name) for name in names.values()}
    # What is sent under the name of the samples, or under one that is written down, has the assumed name in the schema.
    sent |= {_assumed(field) for field, name in names.items() if plain_name(name) != _assumed(field)}
    spelled = [each for each in required if plain_name(each) in sent and each not in names.values()]
    missing = [each for each in required if plain_name(each) not in sent]
    found = {each: field for each in missing if (field := _field(each, names))}
    note = f" The schema writes {', '.join(spelled)}; samples decide." if spelled else ""
    if found:
        text = f"the schema requires {', '.join(found)}, which are not sent under these names.{note}"
        proposals = tuple(Proposal(("write", table, field), each) for each, field in found.items())
        return Line(key, WRITE, text, proposals)
    if missing:
        return Line(key, UNKNOWN, f"the schema requires {', '.join(missing)}, which are not sent.{note}")
    return Line(key, AS_ASSUMED, f"what the schema requires is sent: {', '.join(required) or 'nothing'}.{note}")


def _assumed(field: str) -> str:
    return "report_template" if field == "template" else field


def _required(schema: OpenApi, body: Object) -> list[str]:
    """Return the names that a body requires, and those that each of its items does."""
    names = list(body.get("required", ()))
    for part in schema.properties(body).values():
        names += schema.merged(schema.merged(part).get("items")).get("required", ())
    return [name for name in dict.fromkeys(names) if isinstance(name, str)]


def _field(required: str, names: Mapping[str, str]) -> str | None:
    """Return the field that a required name most probably means."""
    plain = plain_name(required)
    for field, name in names.items():
        if plain.removesuffix("_id") in (field, plain_name(name)):
            return field
    near = difflib.get_close_matches(plain, list(names), 1, SIMILAR)
    return near[0] if near else None
