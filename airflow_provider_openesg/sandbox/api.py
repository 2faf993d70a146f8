"""The REST API, v1: organizations, report templates, report requests, reports."""

# django-ninja evaluates annotations at runtime and passes the request to every view.
# ruff: noqa: ARG001, TC001, TC002, TC003

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import File, NinjaAPI, Query
from ninja.errors import HttpError
from ninja.files import UploadedFile
from pydantic import AwareDatetime

from airflow_provider_openesg.sandbox import schemas
from airflow_provider_openesg.sandbox.encode import Encoder
from airflow_provider_openesg.sandbox.oauth import scopes_of
from airflow_provider_openesg.sandbox.report_requests import create_request
from airflow_provider_openesg.sandbox.report_updates import attach, change_report, submit
from airflow_provider_openesg.sandbox.reports import seconds
from airflow_provider_openesg.sandbox.state import PlatformState
from airflow_provider_openesg.sandbox.templates import TEMPLATES

ERRORS = {401: schemas.Detail, 403: schemas.Detail, 404: schemas.Detail}
JSON = "application/json; charset=utf-8"
Limit: int = Query(100, ge=1)  # type: ignore[type-arg]
Offset: int = Query(0, ge=0)  # type: ignore[type-arg]
FILE: UploadedFile = File(...)  # type: ignore[type-arg]
# Not in the OpenAPI schema, because the filter only works if the option `updated_after` is set.
UpdatedAfter: AwareDatetime | None = Query(None, include_in_schema=False)  # type: ignore[type-arg]
Found = TypeVar("Found")


def authorise(request: HttpRequest) -> list[str] | None:
    """Return the scopes of the bearer token, or ``None`` (401) if it is not valid.

    :raises HttpError: 403 if the scopes do not allow the method.
    """
    scopes = scopes_of(request)
    if scopes is not None and ("read" if request.method in ("GET", "HEAD", "OPTIONS") else "write") not in scopes:
        raise HttpError(403, "You do not have permission to perform this action.")
    return scopes


def media_view(platform: PlatformState) -> Callable[..., HttpResponse]:
    """Return the view that serves attachments. It requires a valid token, like the API."""

    def media(request: HttpRequest, value_id: int, name: str) -> HttpResponse:
        if scopes_of(request) is None:
            return HttpResponse(status=401)
        content = platform.files.get(value_id)
        return HttpResponse(content or b"", status=404 if content is None else 200, content_type="application/pdf")

    return media


def build_api(platform: PlatformState) -> NinjaAPI:
    """Return the API that serves ``platform``."""
    api = NinjaAPI(title="openESG", version="1.0.0", auth=authorise, urls_namespace="api-1")
    encoder = Encoder(platform)

    def moment(updated_after: datetime | None) -> int | None:
        return seconds(updated_after) if updated_after and platform.options.updated_after else None

    def page(request: HttpRequest, find: Callable[[], list[Any]], limit: int, offset: int, encode: Any) -> HttpResponse:
        """Encode a page in the envelope that the options select."""
        options = platform.options
        size = min(limit, options.page_cap or limit)
        with platform.lock:
            ids = find()
            rows = [msgspec.Raw(encode(each)) for each in ids[offset : offset + size]]
        if options.envelope == "bare":
            return _json(rows)
        if options.envelope == "items":
            return _json({"items": rows, "count": len(ids)})
        following = {**request.GET.dict(), "limit": size, "offset": offset + size}
        url = f"{request.build_absolute_uri(request.path)}?{urlencode(following)}"
        return _json({"results": rows, "count": len(ids), "next": url if offset + size < len(ids) else None})

    @api.get("organizations", response={200: schemas.Organizations, **ERRORS}, tags=["organizations"])
    def list_organizations(request: HttpRequest, limit: int = Limit, offset: int = Offset) -> HttpResponse:
        return page(request, lambda: list(_found(platform.shown_organizations())), limit, offset, encoder.organization)

    @api.get("organizations/{organization_id}", response={200: schemas.Organization, **ERRORS}, tags=["organizations"])
    def get_organization(request: HttpRequest, organization_id: int) -> HttpResponse:
        return _record(encoder.organization(organization_id) if platform.options.organizations else None)

    @api.get("report-templates", response={200: schemas.ReportTemplates, **ERRORS}, tags=["report-templates"])
    def list_report_templates(
        request: HttpRequest, key: str | None = None, limit: int = Limit, offset: int = Offset
    ) -> HttpResponse:
        ids = [each.id for each in TEMPLATES.values() if key in (None, each.key)]
        return page(request, lambda: ids, limit, offset, encoder.template)

    @api.get(
        "report-templates/{template_id}", response={200: schemas.ReportTemplate, **ERRORS}, tags=["report-templates"]
    )
    def get_report_template(request: HttpRequest, template_id: int) -> HttpResponse:
        return _record(encoder.template(template_id))

    @api.get(
        "report-templates/{template_id}/sections", response={200: schemas.Sections, **ERRORS}, tags=["report-templates"]
    )
    def list_sections(request: HttpRequest, template_id: int, limit: int = Limit, offset: int = Offset) -> HttpResponse:
        template = _found(TEMPLATES.get(template_id))
        return page(request, lambda: list(template.sections), limit, offset, encoder.section)

    @api.get("report-requests", response={200: schemas.ReportRequests, **ERRORS}, tags=["report-requests"])
    def list_report_requests(
        request: HttpRequest,
        customer_identifier: str | None = None,
        report_template: str | None = None,
        status: str | None = None,
        updated_after: AwareDatetime | None = UpdatedAfter,
        limit: int = Limit,
        offset: int = Offset,
    ) -> HttpResponse:
        filters = _given(
            customer_identifier=customer_identifier,
            report_template=report_template,
            status=status,
            updated_after=moment(updated_after),
        )
        return page(request, lambda: platform.find_requests(filters), limit, offset, encoder.request)

    @api.get(
        "report-requests/{report_request_id}", response={200: schemas.ReportRequest, **ERRORS}, tags=["report-requests"]
    )
    def get_report_request(request: HttpRequest, report_request_id: int) -> HttpResponse:
        return _record(encoder.request(report_request_id))

    @api.post("report-requests", response={201: schemas.CreatedReportRequest, **ERRORS}, tags=["report-requests"])
    def create_report_request(request: HttpRequest, body: schemas.NewReportRequest) -> HttpResponse:
        created, registered = create_request(platform, body)
        codes = random.Random(f"code/{created.id}")  # noqa: S311 - generated data, not a secret
        answer = {
            "report_request": msgspec.Raw(_found(encoder.request(created.id))),
            "report_request_code": f"{codes.randrange(16**8):08x}",
            "registration_code": None if registered else f"{codes.randrange(16**8):08x}",
        }
        return _json(answer, 201)

    @api.get("reports", response={200: schemas.Reports, **ERRORS}, tags=["reports"])
    def list_reports(
        request: HttpRequest,
        customer_identifier: str | None = None,
        report_template: str | None = None,
        report_request: int | None = None,
        organization: int | None = None,
        status: str | None = None,
        updated_after: AwareDatetime | None = UpdatedAfter,
        limit: int = Limit,
        offset: int = Offset,
    ) -> HttpResponse:
        filters = _given(
            customer_identifier=customer_identifier,
            report_template=report_template,
            report_request=report_request,
            organization=organization,
            status=status,
            updated_after=moment(updated_after),
        )
        return page(request, lambda: platform.find_reports(filters), limit, offset, encoder.list_report)

    @api.get("reports/{report_id}", response={200: schemas.Report, **ERRORS}, tags=["reports"])
    def get_report(request: HttpRequest, report_id: int) -> HttpResponse:
        return _record(encoder.report(report_id))

    @api.patch("reports/{report_id}", response={200: schemas.Report, **ERRORS}, tags=["reports"])
    def update_report(request: HttpRequest, report_id: int, body: schemas.ReportChange) -> HttpResponse:
        change_report(platform, _found(platform.report(report_id)), body)
        return _record(encoder.report(report_id))

    @api.post(
        "reports/{report_id}/field-values/{value_id}/attachment",
        response={200: schemas.FieldValue, **ERRORS},
        tags=["reports"],
    )
    def attach_file(request: HttpRequest, report_id: int, value_id: int, file: UploadedFile = FILE) -> HttpResponse:
        return _json(attach(platform, _found(platform.report(report_id)), value_id, file.name or "", file.read()))

    @api.post("reports/{report_id}/submit", response={200: schemas.Report, **ERRORS}, tags=["reports"])
    def submit_report(request: HttpRequest, report_id: int) -> HttpResponse:
        submit(platform, _found(platform.report(report_id)))
        return _record(encoder.report(report_id))

    return api


def _found(something: Found | None) -> Found:
    if something is None:
        raise HttpError(404, "Not Found")
    return something


def _record(encoded: bytes | None) -> HttpResponse:
    return HttpResponse(_found(encoded), content_type=JSON)


def _json(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(body), content_type=JSON, status=status)


def _given(**filters: Any) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None and value != ""}
