"""What is assumed of the openESG API v1, as one value: :class:`Api`. A user writes down only what differs.

The vendor documents v1 only by an OpenAPI schema that was not available here. So each entry names its source:
**known** (public pages of the vendor), **2023** (the API of 2023, removed since), **default** (of the frameworks
django-ninja, Django REST framework or django-oauth-toolkit) or **assumed**. The sandbox serves this API.

The words of this package (resources, filters, statuses, data types, names of fields in :mod:`.records`) are fixed. What
a platform calls them is in an :class:`Api`.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read by typing.get_type_hints
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

RESOURCES = ("organizations", "report-templates", "report-requests", "reports")
"""Names of the lists, as users type them."""

DETAILS: Mapping[str, str] = MappingProxyType({"report-templates": "sections", "reports": "field_values"})
"""Part of a record that its row in the list may lack, by resource."""

ID = "id"
"""Filter that reads records by id, each from its own path."""

UPDATED_AFTER = "updated_after"
"""Filter for records changed after a time. The platform is asked with it if ``filters`` name its parameter."""

REPORT_STATUSES = ("requested", "in_progress", "submitted", "accepted", "declined", "withdrawn")
"""Status values of a report (2023: ``requested``; assumed: the others)."""

SUBMITTED_STATUSES = ("submitted", "accepted")
"""Status values of a report that a provider has submitted (assumed)."""

ENDED_STATUSES = ("declined", "withdrawn")
"""Status values of a report that will not be submitted any more (assumed)."""

REQUEST_STATUSES = ("created", "approved", *ENDED_STATUSES)
"""Status values of a report request (2023: ``created``; assumed: the others)."""

DATATYPES = (
    "decimal", "integer", "string", "short_text", "text", "boolean", "eu_economic_activity", "daterange",
)  # fmt: skip
"""Data types of field types (known: ``integer``, ``decimal``, ``short_text``; 2023: the others)."""

REQUEST_ID_HEADERS = ("X-Request-ID", "X-Correlation-ID")
"""Response headers with the id that the server gave the request (assumed)."""

PagingStyle = Literal["auto", "offset", "page", "cursor", "link", "none"]
Point = Literal["auto", "decimal", "group", "unread"]


REQUEST_FIELDS = (
    "template", "organization_name", "organization_legal_form", "organization_vat_id",
    "organization_court_of_registration", "organization_commercial_register_number", "organization_homepage",
    "organization_email", "organization_phone", "organization_address_line_1", "organization_address_line_2",
    "organization_house_number", "organization_zip_code", "organization_city", "organization_country", "user_email",
    "user_first_name", "user_last_name", "user_phone", "user_salutation", "user_locale", "user_timezone",
    "personal_message", "reason", "submission_date", "creation_date", "customer_identifier", "provider_notification",
    "requestor_email", "requestor_first_name", "requestor_last_name", "requestor2_email", "requestor2_first_name",
    "requestor2_last_name", "requestor3_email", "requestor3_first_name", "requestor3_last_name",
)  # fmt: skip
"""Fields of a report request that is sent: the columns of the CSV upload, with ``template`` for ``report_template``."""

UPDATE_FIELDS = ("field_values", "id", "field_type", "instance_id", "value", "measurement", "comment")
"""Fields of a ``PATCH`` of a report, and of the field values in it."""


def _entry(default: Any, source: str, doc: str, **rules: Any) -> Any:
    """Return a field with its default, the source of the default, and its description for docs and schema.

    :param rules: what a document may contain: ``minimum`` of a number; ``keys`` and ``values`` of a mapping.
    """
    metadata = {"source": source, "doc": doc, **rules}
    if isinstance(default, dict):  # not a MappingProxyType, which cannot be pickled
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Paging:
    """How pages of a list are requested."""

    style: PagingStyle = _entry(  # noqa: RUF009
        "auto",
        "default",
        "`auto`: recognized from the first responses; `offset`, `page`, `cursor`, `link` (follow the link to the next "
        "page) or `none` (the whole list at once).",
    )
    limit: str = _entry("limit", "default", "Query parameter for the number of rows, with `offset`.")
    offset: str = _entry("offset", "default", "Query parameter for the number of rows before the page.")
    page: str = _entry("page", "default", "Query parameter for the number of the page, from 1.")
    size: str = _entry("page_size", "default", "Query parameter for the number of rows, with `page`.")
    cursor: str = _entry("cursor", "default", "Query parameter for the token of the next page.")
    max: int | None = _entry(None, "assumed", "Largest number of rows that a page of the platform has.", minimum=1)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a response has the rows of a list: names, dots go down. What is not given is recognized."""

    rows: str | None = _entry(None, "default", "The rows: `items` (django-ninja), `results` (2023), or a bare array.")
    total: str | None = _entry(None, "default", "The number of all rows: `count`.")
    next: str | None = _entry(None, "2023", "The link to the next page, or the token for `cursor`: `next`.")


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths below the API path; ``{id}`` is the id of the record. A slash at the end is kept."""

    organizations: str = _entry("organizations", "2023", "If it is 404, organizations are read from other records.")
    report_templates: str = _entry("report-templates", "known", "The list of report templates.")
    report_requests: str = _entry("report-requests", "known", "The list of report requests.")
    reports: str = _entry("reports", "known", "The list of reports.")
    sections: str = _entry(
        "report-templates/{id}/sections", "2023", "Sections of a template, if its record does not contain them."
    )
    field_types: str = _entry(
        "report-templates/{id}/field-types", "assumed", "Field types of a template, if its sections do not have them."
    )
    field_values: str = _entry(
        "reports/{id}/field-values", "assumed", "Field values of a report, if its record does not contain them."
    )
    attachment: str = _entry(
        "reports/{id}/field-values/{value_id}/attachment",
        "assumed",
        "`POST` as multipart form data replaces the file of a field value.",
    )
    submit: str = _entry(
        "reports/{id}/submit", "assumed", "`POST` submits a report: 422 if required values are missing, 409 if it is."
    )


@dataclass(frozen=True, slots=True)
class TemplateFilters:
    """Query parameters of the list of report templates."""

    key: str | None = _entry("key", "assumed", "Key of the template.")


@dataclass(frozen=True, slots=True)
class RequestFilters:
    """Query parameters of the list of report requests."""

    customer_identifier: str | None = _entry("customer_identifier", "known", "The requestor's own identifier.")
    template: str | None = _entry("report_template", "assumed", "Id of the template.")
    status: str | None = _entry("status", "assumed", "Status of the request.")
    updated_after: str | None = _entry(None, "assumed", "Time after which the request was changed.")


@dataclass(frozen=True, slots=True)
class ReportFilters:
    """Query parameters of the list of reports."""

    customer_identifier: str | None = _entry("customer_identifier", "known", "The requestor's own identifier.")
    template: str | None = _entry("report_template", "assumed", "Id of the template.")
    report_request: str | None = _entry("report_request", "assumed", "Id of the report request.")
    organization: str | None = _entry("organization", "assumed", "Id of the organization.")
    status: str | None = _entry("status", "assumed", "Status of the report.")
    updated_after: str | None = _entry(None, "assumed", "Time after which the report was changed.")


@dataclass(frozen=True, slots=True)
class Filters:
    """Query parameters by the name in this package. ``""`` in a document means that the platform has none."""

    report_templates: TemplateFilters = field(default_factory=TemplateFilters)
    report_requests: RequestFilters = field(default_factory=RequestFilters)
    reports: ReportFilters = field(default_factory=ReportFilters)


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the platform that mean a word of this package: theirs to ours."""

    status: Mapping[str, str] = _entry({}, "assumed", "Status of a report.", values=REPORT_STATUSES)
    request_status: Mapping[str, str] = _entry({}, "assumed", "Status of a request.", values=REQUEST_STATUSES)
    datatype: Mapping[str, str] = _entry({}, "assumed", "Data type of a field type.", values=DATATYPES)


@dataclass(frozen=True, slots=True)
class Write:
    """Names of what is sent, where they differ: ours to theirs."""

    request: Mapping[str, str] = _entry(
        {},
        "2023",
        "Field of a report request: `template` (sent as `report_template`) or a column of the CSV upload.",
        keys=REQUEST_FIELDS,
    )
    update: Mapping[str, str] = _entry(
        {},
        "2023",
        "Field of a `PATCH` of a report: `field_values`, and of a value `id`, `field_type`, `instance_id`, `value`, "
        "`measurement`, `comment`.",
        keys=UPDATE_FIELDS,
    )


@dataclass(frozen=True, slots=True)
class Values:
    """How the text of a value is read."""

    point: Point = _entry(  # noqa: RUF009
        "auto",
        "assumed",
        "Meaning of the point in a number such as `2.263`: `decimal` (less than 3), `group` (2263) or "
        "`unread` (no number). `auto`: by the other numbers of the pull; ambiguous numbers are not read.",
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages of the platform's web UI, below the Base URL. The page of a record is ``/{id}`` below it."""

    reports: str = _entry("/reports", "assumed", "The list of reports.")
    report_requests: str = _entry("/report-requests", "assumed", "The list of report requests.")


@dataclass(frozen=True, slots=True)
class Api:
    """An API: what is assumed, or what a user wrote down for a platform.

    :param names: record (:data:`.records.RECORDS`) to field to the name on the platform; dots go down into objects.
    """

    paging: Paging = field(default_factory=Paging)
    envelope: Envelope = field(default_factory=Envelope)
    paths: Paths = field(default_factory=Paths)
    filters: Filters = field(default_factory=Filters)
    names: Mapping[str, Mapping[str, str]] = _entry(
        {}, "2023", "Record to field to the name on the platform; dots go down into objects."
    )
    words: Words = field(default_factory=Words)
    write: Write = field(default_factory=Write)
    values: Values = field(default_factory=Values)
    pages: Pages = field(default_factory=Pages)

    def path(self, resource: str) -> str:
        """Return the path of a list, below the API path."""
        return str(getattr(self.paths, resource.replace("-", "_")))

    def filter_names(self, resource: str) -> Mapping[str, str]:
        """Return the query parameters of a list by the name in this package."""
        known = getattr(self.filters, resource.replace("-", "_"), None)
        names = {each.name: getattr(known, each.name) for each in fields(known)} if known is not None else {}
        return {name: parameter for name, parameter in names.items() if parameter}


ASSUMED = Api()
"""The API that is assumed."""
