"""Lists and details: paths, pages and envelopes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_openesg.api import DETAILS, RESOURCES
from airflow_provider_openesg.check.result import AS_ASSUMED, FILL_IN, RECOGNIZED, UNKNOWN, WRITE, Line, Proposal
from airflow_provider_openesg.client.row_filter import RECORD_NAMES
from airflow_provider_openesg.client.samples import ROWS, reason, without_values
from airflow_provider_openesg.exceptions import OpenESGContractError, OpenESGNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_openesg.check.context import Read
    from airflow_provider_openesg.exceptions import OpenESGError

MOST_REQUESTED = 500
"""Largest number of rows that is requested in one page, with the default *Page size*."""


@dataclass(frozen=True, slots=True)
class ListRead:
    """How a list was read.

    :param pages: number of rows of each page that was read.
    :param recognized: what was recognized, apart from the pages.
    """

    pages: tuple[int, ...] = ()
    recognized: tuple[str, ...] = ()


def lines(read: Read, found: Mapping[str, ListRead]) -> Iterator[Line]:
    """Yield the lines of paths, paging and envelopes.

    :param found: how each list was read.
    """
    slash = list(read.client.differences.recognized.get("paths", ()))
    if slash:
        yield Line("paths", RECOGNIZED, "; ".join(slash) + ".")
    for resource in RESOURCES:
        yield from _list_lines(read, resource, found.get(resource, ListRead()))
    yield from _detail_lines(read, found)
    yield _limit(read)


def _list_lines(read: Read, resource: str, found: ListRead) -> Iterator[Line]:
    key, path = f"paths.{resource.replace('-', '_')}", read.api.path(resource)
    error, rows = read.samples.errors.get(resource), read.samples.rows.get(resource)
    if rows is None:
        yield _unreadable(read, resource, key, error)
        return
    yield Line(key, AS_ASSUMED, f"{path} is readable; {len(rows)} rows were read.")
    style = read.client.style(resource)
    if text := str(style):
        yield Line(f"paging.{resource}", RECOGNIZED, f"{text}.")
    elif found.pages[0] > ROWS and len(found.pages) == 1:
        yield Line(f"paging.{resource}", RECOGNIZED, "the whole list in one response.")
    elif len(found.pages) > 1:
        yield Line(f"paging.{resource}", AS_ASSUMED, f"{read.api.paging.limit} and {read.api.paging.offset}.")
    else:
        yield Line(f"paging.{resource}", UNKNOWN, "the list has only one page.")
    state = RECOGNIZED if found.recognized else AS_ASSUMED
    yield Line(f"envelope.{resource}", state, ("; ".join(found.recognized) or "rows, total and link are found") + ".")


def _unreadable(read: Read, resource: str, key: str, error: OpenESGError | None) -> Line:
    path, why = read.api.path(resource), reason(error) if error else "not read"
    if isinstance(error, OpenESGContractError):
        return Line(f"envelope.{resource}", WRITE, f"{path}: {why}", _place(resource, why))
    if not isinstance(error, OpenESGNotFoundError):
        scope = " If the token lacks a scope, set Scope in the Connection." if "403" in why else ""
        return Line(key, WRITE, f"{path}: {why}.{scope}")
    if resource == "organizations":
        return Line(key, RECOGNIZED, f"{path}: {why}; organizations are read from other records.")
    similar = _similar_path(read, path)
    proposal = Proposal(tuple(key.split(".")), similar or FILL_IN)
    schema = f" The schema has {similar}." if similar else ""
    return Line(key, WRITE, f"{path}: {why}.{schema}", (proposal,))


def _place(resource: str, why: str) -> tuple[Proposal, ...]:
    """Return the entry that an error names."""
    keys = {
        "envelope =": ("envelope", "rows"),
        "[names]": ("names", RECORD_NAMES[resource], "id"),
        "paging =": ("paging", "style"),
    }
    return tuple(Proposal(entry) for text, entry in keys.items() if text in why)[:1]


def _similar_path(read: Read, path: str) -> str | None:
    """Return the other list in the schema whose path is most like the given one."""
    schema = read.schema
    if schema is None:
        return None
    other = [each for each in schema.paths() if "{" not in each and each.strip("/") != path.strip("/")]
    lists = [each for each in other if schema.operation("get", each)]
    near = difflib.get_close_matches(path.strip("/"), [each.strip("/") for each in lists], 1, 0.7)
    return next((each for each in lists if each.strip("/") in near), None)


def _detail_lines(read: Read, found: Mapping[str, ListRead]) -> Iterator[Line]:
    """Yield where sections, field types and field values are, and the paths that only take what is sent."""
    for resource, details in DETAILS.items():
        key, error = f"paths.{details}", read.samples.errors.get(details)
        before = (*found.get(resource, ListRead()).recognized, str(read.client.style(resource)))
        later = [each for each in read.client.differences.recognized.get(resource, ()) if each not in before]
        if error is not None:
            yield Line(key, WRITE, f"{reason(error)}", (Proposal(("paths", details)),))
        elif not read.samples.rows.get(resource):
            yield Line(key, UNKNOWN, "no record was read.")
        elif later:
            yield Line(key, RECOGNIZED, "; ".join(map(without_values, later)) + ".")
        elif resource not in read.client.places:
            state = AS_ASSUMED if resource == "reports" else RECOGNIZED
            yield Line(key, state, f"{details} are in the rows of the list.")
        else:
            yield Line(key, AS_ASSUMED, f"{details} are where they are assumed to be.")
    for name, method in (("attachment", "post"), ("submit", "post")):
        path = getattr(read.api.paths, name)
        if read.schema is None:
            yield Line(f"paths.{name}", UNKNOWN, "only sending would show it.")
        elif read.schema.operation(method, path):
            yield Line(f"paths.{name}", AS_ASSUMED, f"the schema has {method.upper()} {path}.")
        else:
            yield Line(f"paths.{name}", UNKNOWN, f"the schema has no {method.upper()} {path}.")


def _limit(read: Read) -> Line:
    """Return the line of the largest page, which only the schema has."""
    key, schema = "paging.max", read.schema
    operation = schema.operation("get", read.api.path("reports")) if schema else None
    if schema is None or operation is None:
        return Line(key, UNKNOWN, "the platform shows no schema; a smaller limit is recognized in each pull.")
    query = schema.query(operation)
    bounds = [query[name].get("maximum") for name in (read.api.paging.limit, read.api.paging.size) if name in query]
    most = next((int(each) for each in bounds if isinstance(each, int | float) and not isinstance(each, bool)), None)
    if most is None or most >= MOST_REQUESTED or most < 1:
        return Line(key, AS_ASSUMED, "the schema has no maximum." if most is None else f"the schema allows {most}.")
    if read.api.paging.max is not None and read.api.paging.max <= most:
        return Line(key, AS_ASSUMED, f"{read.api.paging.max} is written down; the schema allows {most}.")
    proposals = (Proposal(("paging", "max"), most),)
    return Line(key, RECOGNIZED, f"the schema allows {most}; without it, the first request is refused.", proposals)
