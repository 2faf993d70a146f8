"""What this package takes v1 of the openESG API to be: the one module to change where the platform proves it wrong.

The vendor documents v1 by its OpenAPI schema alone, which cannot be reached from a build. So this is data, each line
with its source: **known** (the vendor's public pages), **2023** (shapes of the API of 2023, removed since), **default**
(django-ninja's or django-oauth-toolkit's own, where the vendor kept it) or **assumed**. The sandbox serves this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT, OFFSET = "limit", "offset"
"""Query parameters of a page (default: django-ninja's LimitOffsetPagination)."""

ITEMS, COUNT = "items", "count"
"""Envelope of v1 (default: django-ninja)."""

RESULTS, NEXT = "results", "next"
"""Envelope of 2023 (Django REST framework); before May 2023 a list was a bare array."""

REQUEST_ID_HEADERS = ("X-Request-ID", "X-Correlation-ID")
"""Where servers put their own id of a request (assumed)."""


UPDATED_AFTER = "updated_after"
"""Filter of a list for changes later than a time. No page of the vendor names one, so no resource below has it, and
unchanged rows are left out here. Where the platform has one, add it to the resource's ``filters``, with its parameter.
"""


ID = "id"
"""Filter that selects records by their own paths."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A list of the API and what can be asked of it.

    :param path: below the API path, no slash at its ends (v1, assumed: the tag's name; no trailing slash is
        django-ninja's default).
    :param filters: query parameters that its list takes, by the name users give them.
    :param details: field that a list row may lack and that the detail call then completes.
    :param details_path: path of that call, with ``{id}``; the record's own where it is None.
    """

    path: str
    filters: Mapping[str, str]
    details: str | None = None
    details_path: str | None = None


RESOURCES: Mapping[str, Resource] = {
    # 2023; no tag of v1 carries this name. Where the platform answers 404, organizations are read from the records that
    # embed them.
    "organizations": Resource("organizations", {}),
    # known: a tag of v1. 2023: sections stand below the template.
    "report-templates": Resource(
        "report-templates", {"key": "key"}, details="sections", details_path="report-templates/{id}/sections"
    ),
    # known: a tag of v1, and that customer_identifier filters it; the others are assumed.
    "report-requests": Resource(
        "report-requests",
        {"customer_identifier": "customer_identifier", "template": "report_template", "status": "status"},
    ),
    # known: a tag of v1, and that customer_identifier filters it; the others are assumed. An id needs no filter of the
    # list: the record has a path of its own.
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
"""``requested`` is 2023's; the others are assumed."""

SUBMITTED_STATUSES = ("submitted", "accepted")
"""A provider has answered (assumed)."""

ENDED_STATUSES = ("declined", "withdrawn")
"""A report that will not be submitted any more (assumed)."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "report_template": ("template",),
    "template": ("report_template",),
    "report_request": ("request",),
    "period_start": ("reporting_period_start", "start_date"),
    "period_end": ("reporting_period_end", "end_date"),
    "provider": ("user",),
    "parent_id": ("parent",),
}
"""Other names that a field may travel under (assumed: v1's are not known). The key is the sandbox's name."""

PAGES: Mapping[str, str] = {"reports": "/reports", "report-requests": "/report-requests"}
"""Pages of the platform's web UI, below the Base URL: the list; a record's own is ``/{id}`` below it (assumed: nothing
public names them)."""

FIELD_VALUES = "field_values"
"""2023: values are written by ``PATCH`` on the report, with the field values to change under this name. Assumed: each
names its value by ``id``, or by ``field_type`` (and ``instance_id`` in a section that is answered several times) where
there is none yet; what is not given stays as it is; the call is carried out as a whole or not at all."""

ATTACHMENT_PATH, ATTACHMENT_FILE = "reports/{report_id}/field-values/{value_id}/attachment", "file"
"""Assumed: a file goes to its field value by ``POST`` as multipart form data, under this name, and takes the place of
the one that is there; ``url`` of a value's attachment hands it out again, to whom the API would."""

SUBMIT_PATH = "reports/{report_id}/submit"
"""Assumed: ``POST`` submits a report. Refused: 422 while required values are missing, 409 once it is submitted."""


def reference(record: Mapping[str, Any], name: str) -> Any:
    """Return the id behind a reference, whether it travels as an id or as a nested object."""
    value = next((record[each] for each in (name, *ALIASES.get(name, ())) if record.get(each) is not None), None)
    return value.get("id") if isinstance(value, Mapping) else value
