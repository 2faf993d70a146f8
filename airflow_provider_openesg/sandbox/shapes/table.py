"""The names of the shapes, and the settings of the API that each of them changes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Paging = Literal[
    "limit-offset", "page-number", "page-only", "cursor", "cursor-token", "link-header", "next-link", "unpaged"
]
Envelope = Literal["items", "results", "data", "total", "total-count", "hal", "jsonapi", "bare"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The settings of the API. The defaults are the assumed API."""

    paging: Paging = "limit-offset"
    count: bool = True
    cap: Literal["none", "silent", "error"] = "none"
    envelope: Envelope = "items"
    ids: Literal["id", "uuid", "pk", "url"] = "id"
    camel_case: bool = False
    british: bool = False
    times: Literal["created_at", "created"] = "created_at"
    period: Literal["period_start", "period", "reporting_period", "start_date"] = "period_start"
    measurements: Literal["measurements", "measurement_types"] = "measurements"
    field_type_key: bool = False
    customer: Literal["customer_identifier", "customer_reference"] = "customer_identifier"
    references: Literal["id", "suffixed", "object", "url", "key", "key-object"] = "id"
    values: Literal["row", "record", "empty-in-list", "path", "sections"] = "row"
    values_name: Literal["field_values", "values"] = "field_values"
    sections: Literal["path", "row", "record"] = "path"
    sections_tree: bool = False
    field_types: Literal["section", "path"] = "section"
    value_form: Literal["text", "with-unit", "object", "complex-only", "json"] = "text"
    german_numbers: bool = False
    german_dates: bool = False
    own_unit: bool = False
    datatype: Literal["plain", "upper", "words", "label"] = "plain"
    datatype_field: Literal["metric_type.datatype", "type", "data_type"] = "metric_type.datatype"
    status: Literal["plain", "upper", "label", "german"] = "plain"
    slash: Literal["none", "redirect", "500", "404"] = "none"
    token_status: int = 200
    scope_required: bool = False
    some_forbidden: bool = False
    patch_replaces: bool = False
    filters_ignored: Literal["none", "customer_identifier", "all"] = "none"
    errors: Literal["detail", "problem", "drf", "message"] = "detail"


class Variant(NamedTuple):
    """What a name changes: its description and its settings."""

    description: str
    settings: Mapping[str, Any]


class ShapeError(ValueError):
    """A name that does not exist, or two names that exclude each other."""


def _change(description: str, **settings: Any) -> Variant:
    return Variant(description, settings)


SHAPES: Mapping[str, Variant] = {
    # Paging. A cursor contains a position, so there is nothing to count.
    "page-number": _change("pages by page (from 1) and page_size (50, at most 100)", paging="page-number"),
    "page-only": _change("pages of 50 rows by page only", paging="page-only"),
    "cursor": _change("pages of 50 rows by cursor; the response has the next link", paging="cursor", count=False),
    "cursor-token": _change(
        "pages of 50 rows by cursor; the response has next_cursor", paging="cursor-token", count=False
    ),
    "link-header": _change(
        "bare array, pages of 50 rows by page; a Link header has the next link",
        paging="link-header",
        envelope="bare",
        count=False,
    ),
    "next-link": _change("pages by limit and offset; the response has next and previous", paging="next-link"),
    "unpaged": _change("all rows in one response", paging="unpaged"),
    "no-count": _change("no number of rows in lists", count=False),
    "cap-50": _change("at most 50 rows in a page", cap="silent"),
    "cap-50-error": _change("a limit above 50 is an error (422)", cap="error"),
    # Envelope of lists and records.
    "envelope-results": _change("lists as results and count", envelope="results"),
    "envelope-data": _change("lists as data and meta.pagination", envelope="data"),
    "envelope-total": _change("lists as items and total", envelope="total"),
    "envelope-total-count": _change("lists as records and total_count", envelope="total-count"),
    "envelope-hal": _change("lists in HAL: _embedded, _links and page", envelope="hal"),
    "envelope-jsonapi": _change("lists and records in JSON:API: attributes and relationships", envelope="jsonapi"),
    "envelope-bare": _change("lists as arrays", envelope="bare"),
    # Names of fields.
    "camel-case": _change("field names in camelCase", camel_case=True),
    "british": _change("organisation in field names and as a filter", british=True),
    "uuid-ids": _change("uuid in place of id; all ids are UUIDs", ids="uuid"),
    "pk": _change("pk in place of id", ids="pk"),
    "url-ids": _change("url, the absolute URL of the record, in place of id", ids="url"),
    "created-modified": _change("created and modified in place of created_at and updated_at", times="created"),
    "nested-period": _change("period with from and to", period="period"),
    "reporting-period": _change("reporting_period with start and end", period="reporting_period"),
    "flat-dates": _change("start_date and end_date in place of period_start and period_end", period="start_date"),
    "measurement-types": _change("measurement_types in place of measurements", measurements="measurement_types"),
    "field-type-key": _change("field values have field_type_key in place of field_type", field_type_key=True),
    "customer-reference": _change(
        "customer_reference in place of customer_identifier, also as a filter", customer="customer_reference"
    ),
    # References to other records.
    "refs-suffixed": _change("references as template_id, organization_id, ...", references="suffixed"),
    "refs-object": _change("references as objects with id (and key and name)", references="object"),
    "refs-url": _change("references as absolute URLs", references="url"),
    "refs-key": _change("templates, sections and field types are referenced by key", references="key"),
    "refs-key-object": _change(
        "templates, sections and field types are referenced as objects with key", references="key-object"
    ),
    # Places of field values, sections and field types.
    "values-single": _change("no field_values in lists of reports", values="record"),
    "values-empty-in-list": _change("empty field_values in lists of reports", values="empty-in-list"),
    "values-path": _change("field values only at reports/{id}/field-values", values="path"),
    "values-in-sections": _change("field values in sections of the report", values="sections"),
    "values-as-values": _change("values in place of field_values", values_name="values"),
    "sections-in-row": _change("templates have sections, also in lists; no list of sections", sections="row"),
    "sections-in-record": _change("single templates have sections; no list of sections", sections="record"),
    "sections-tree": _change("sections have children", sections_tree=True),
    "field-types-path": _change("field types only at report-templates/{id}/field-types", field_types="path"),
    # Values.
    "value-with-unit": _change("numeric values as text with the unit's name: 12.5 MWh", value_form="with-unit"),
    "value-object": _change("numbers as amount and unit, date ranges as start and end", value_form="object"),
    "value-complex-only": _change(
        "numbers, date ranges and activities only in value_complex", value_form="complex-only"
    ),
    "number-values": _change(
        "numbers and booleans as JSON numbers and booleans", value_form="json", german_numbers=False
    ),
    "german-numbers": _change("numeric values as 1.234,50", german_numbers=True),
    "german-dates": _change("date ranges, periods and submission dates as 31.12.2025", german_dates=True),
    "own-unit": _change("two units in a field type; each numeric value has its unit", own_unit=True),
    # Words.
    "datatype-upper": _change("data types in capitals: DECIMAL", datatype="upper"),
    "datatype-words": _change("other data types: number, int, string, bool, date_range, nace", datatype="words"),
    "datatype-label": _change("data types as key and label", datatype="label"),
    "datatype-as-type": _change("field types have type; no metric_type.datatype", datatype_field="type"),
    "datatype-as-data-type": _change("field types have data_type; no metric_type.datatype", datatype_field="data_type"),
    "status-upper": _change("status in capitals: SUBMITTED", status="upper"),
    "status-label": _change("status as key and label", status="label"),
    "status-german": _change("German status: eingereicht", status="german"),
    # HTTP.
    "slash": _change("paths without a trailing slash are redirected (301)", slash="redirect"),
    "slash-500": _change("without a trailing slash GET is redirected (301), other methods fail (500)", slash="500"),
    "slash-404": _change("paths without a trailing slash do not exist (404)", slash="404"),
    "token-201": _change("the token endpoint responds with status 201", token_status=201),
    "scope-required": _change("tokens that were requested without a scope have no permission", scope_required=True),
    "some-forbidden": _change("every seventh report is forbidden (403), but is in lists", some_forbidden=True),
    "patch-replaces": _change("PATCH clears the values that it does not name", patch_replaces=True),
    "filters-ignored": _change("all filters are ignored", filters_ignored="all"),
    "identifier-filter-ignored": _change(
        "the filter customer_identifier is ignored", filters_ignored="customer_identifier"
    ),
    # Errors.
    "problem-json": _change("errors as application/problem+json", errors="problem"),
    "drf-errors": _change("errors of fields as status 400 with the messages of each field", errors="drf"),
    "error-message": _change("errors as error.code and error.message", errors="message"),
}
"""Names of shapes. They can be combined, if they do not set the same setting to different values."""


def shape_of(names: Iterable[str]) -> Shape | None:
    """Return the shape with these names, or ``None`` without names.

    :raises ShapeError: if a name does not exist, or if two names set a setting to different values.
    """
    return _shape_of(tuple(names))


@cache
def _shape_of(names: tuple[str, ...]) -> Shape | None:
    settings: dict[str, tuple[str, Any]] = {}
    for name in names:
        if name not in SHAPES:
            close = difflib.get_close_matches(name, SHAPES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ShapeError(f"Shape {name!r} does not exist.{hint} Allowed: {', '.join(SHAPES)}")
        for setting, value in SHAPES[name].settings.items():
            earlier, set_value = settings.setdefault(setting, (name, value))
            if set_value != value:
                raise ShapeError(f"Shapes {earlier!r} and {name!r} cannot be combined: both set {setting!r}.")
    return Shape(**{setting: value for setting, (_, value) in settings.items()}) if names else None
