"""What this package takes v1 of the openESG API to be: the one module to change where the platform proves it wrong.

The vendor documents v1 by its OpenAPI schema alone, which cannot be reached from a build. So this is data, each line
with its source: **known** (the vendor's public pages), **2023** (shapes of the API of 2023, removed since), **default**
(django-ninja's or django-oauth-toolkit's own, where the vendor kept it) or **assumed**. The sandbox serves this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        {"customer_identifier": "customer_identifier", "report_template": "report_template", "status": "status"},
    ),
    # known: a tag of v1, and that customer_identifier filters it; the others are assumed.
    "reports": Resource(
        "reports",
        {
            "customer_identifier": "customer_identifier",
            "report_template": "report_template",
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
