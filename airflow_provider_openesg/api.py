"""The openESG API v1 as data: paths, parameters and field names. Change this module if the platform differs.

The vendor documents v1 only by an OpenAPI schema that was not available here. So each entry names its source:
**known** (public pages of the vendor), **2023** (the API of 2023, removed since), **default** (of the frameworks
django-ninja or django-oauth-toolkit) or **assumed**. The sandbox serves this API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT, OFFSET = "limit", "offset"
"""Query parameters of a page (default: LimitOffsetPagination of django-ninja)."""

ITEMS, COUNT = "items", "count"
"""Fields of a page in v1 (default: django-ninja)."""

RESULTS, NEXT = "results", "next"
"""Fields of a page in 2023 (2023: Django REST framework). Before May 2023 a list was a bare array."""

REQUEST_ID_HEADERS = ("X-Request-ID", "X-Correlation-ID")
"""Response headers with the id that the server gave the request (assumed)."""


UPDATED_AFTER = "updated_after"
"""Filter for records changed after a time. No public page of the vendor names one, so no resource below has it, and the
client removes unchanged rows. If the platform has one, add it to the ``filters`` of the resource, with its parameter.
"""


ID = "id"
"""Filter that reads records by id, each from its own path."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A list of the API and its filters.

    :param path: path below the API path, without slashes at its ends (assumed: the name of the tag in v1; default: no
        trailing slash).
    :param filters: query parameters of the list, by the name in this package.
    :param details: field that may be missing in a row of the list and is then read by a detail request.
    :param details_path: path of the detail request, with ``{id}``; by default the path of the record.
    """

    path: str
    filters: Mapping[str, str]
    details: str | None = None
    details_path: str | None = None


RESOURCES: Mapping[str, Resource] = {
    # 2023: no tag of v1 has this name. If the platform responds with 404, organizations are read from the records that
    # contain them.
    "organizations": Resource("organizations", {}),
    # known: a tag of v1. 2023: the sections are below the path of the template.
    "report-templates": Resource(
        "report-templates", {"key": "key"}, details="sections", details_path="report-templates/{id}/sections"
    ),
    # known: a tag of v1, and that customer_identifier filters it; the others are assumed.
    "report-requests": Resource(
        "report-requests",
        {"customer_identifier": "customer_identifier", "template": "report_template", "status": "status"},
    ),
    # known: a tag of v1, and that customer_identifier filters it; the others are assumed. An id needs no
    # filter: each record has its own path.
    "reports": Resource(
        "reports",
        {
            ID: ID,
            "customer_identifier": "customer_identifier",
            "template": "report_template",
            "report_request": "report_request",
            "organization": "organization",
            "status": "status",
        },
        details="field_values",
    ),
}

REPORT_STATUSES = ("requested", "in_progress", "submitted", "accepted", "declined", "withdrawn")
"""Status values of a report (2023: ``requested``; assumed: the others)."""

SUBMITTED_STATUSES = ("submitted", "accepted")
"""Status values of a report that a provider has submitted (assumed)."""

ENDED_STATUSES = ("declined", "withdrawn")
"""Status values of a report that will not be submitted any more (assumed)."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "report_template": ("template",),
    "template": ("report_template",),
    "report_request": ("request",),
    "period_start": ("reporting_period_start", "start_date"),
    "period_end": ("reporting_period_end", "end_date"),
    "provider": ("user",),
    "parent_id": ("parent",),
}
"""Other names of a field, by its name in the sandbox (assumed: the names in v1 are not known)."""

PAGES: Mapping[str, str] = {"reports": "/reports", "report-requests": "/report-requests"}
"""Pages of the platform's web UI, below the Base URL: the list. The page of a record is ``/{id}`` below it
(assumed)."""

FIELD_VALUES = "field_values"
"""Field of a ``PATCH`` of a report with the field values to change (2023). Assumed: ``id`` identifies a value. If it
does not exist yet, by ``field_type`` (and ``instance_id`` in a multi-instance section). Values that are not in the
request do not change. The request is processed completely or not at all."""

ATTACHMENT_PATH, ATTACHMENT_FILE = "reports/{report_id}/field-values/{value_id}/attachment", "file"
"""Path and form field for the attachment of a field value (assumed): ``POST`` as multipart form data replaces the
existing file. ``url`` of the attachment returns it, with the permissions of the API."""

SUBMIT_PATH = "reports/{report_id}/submit"
"""Path to submit a report by ``POST`` (assumed). Errors: 422 if required values are missing, 409 if it is already
submitted."""


def reference(record: Mapping[str, Any], name: str) -> Any:
    """Return the id of a referenced record. The reference is an id or a nested object."""
    value = next((record[each] for each in (name, *ALIASES.get(name, ())) if record.get(each) is not None), None)
    return value.get("id") if isinstance(value, Mapping) else value
