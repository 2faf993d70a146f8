"""Schemas of the API's records, for request validation and OpenAPI. Responses are encoded from dicts without them."""

# pydantic evaluates annotations at runtime.
# ruff: noqa: TC003

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AliasChoices, ConfigDict, Field

from airflow_provider_openesg.sandbox.organizations import LEGAL_FORMS

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
ReportStatus = Literal["requested", "in_progress", "submitted", "accepted", "declined", "withdrawn"]


class Named(Schema):
    """A record with an ID, a key and a name."""

    id: int
    key: str
    name: str


class Organization(Schema):
    """A company."""

    id: int
    name: str
    type: str = Field(description="legal form: " + ", ".join(LEGAL_FORMS))
    vat_id: str
    court_of_registration: str
    registration_number: str
    homepage: str
    scoped_external_data: dict[str, Any] | None


class User(Schema):
    """A person."""

    id: int
    email: str
    first_name: str
    last_name: str


class ReportTemplate(Schema):
    """The structure of a report. A separate endpoint returns its sections."""

    id: int
    organization: int | None
    key: str
    name: str
    description: str
    catalog: Named


class MetricType(Named):
    """Data type and units of a field type."""

    datatype: str = Field(
        description="decimal, integer, string, text, short_text, boolean, eu_economic_activity, daterange, …"
    )
    units: list[Named]


class FieldType(Schema):
    """A question of a template."""

    id: int
    key: str
    name: str
    description: str
    label: str
    metric_type: MetricType
    measurements: list[Named]
    attachment: Literal["none", "optional", "required"]
    is_commentable: bool
    required: bool
    min: float | None
    max: float | None


class Section(Schema):
    """A part of a template."""

    id: int
    key: str
    name: str
    description: str
    is_commentable: bool
    multi_instance: bool
    parent_id: int | None
    field_types: list[FieldType]


class Attachment(Schema):
    """A file attached to a field value."""

    name: str
    url: str
    size: int


class FieldValue(Schema):
    """A provider's answer to a field type."""

    id: int
    organization: int | None
    value: str | None
    value_complex: dict[str, Any] | None
    comment: str
    measurement: int | None
    attachment: Attachment | None
    instance_id: int | None
    valid: bool
    required: bool
    section: int
    field_type: int


class Report(Schema):
    """A report."""

    id: int
    template: int
    report_request: int | None
    organization: Organization | None
    user: User | None
    status: ReportStatus
    progress: int = Field(ge=0, le=100)
    period_start: date
    period_end: date
    customer_identifier: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    field_values: list[FieldValue] | None = Field(None, description="absent if the list has no field values")


class ReportRequest(Schema):
    """A requestor's request for a report."""

    id: int
    organization: Organization | None
    user: User | None
    report_template: int
    status: str
    approved_at: datetime | None
    report: int | None
    customer_identifier: str | None
    reason: str | None
    personal_message: str
    submission_date: date | None
    created_at: datetime
    updated_at: datetime


class Organizations(Schema):
    """A page of a list."""

    items: list[Organization]
    count: int


class ReportTemplates(Schema):
    """A page of a list."""

    items: list[ReportTemplate]
    count: int


class Sections(Schema):
    """A page of a list."""

    items: list[Section]
    count: int


class Reports(Schema):
    """A page of a list."""

    items: list[Report]
    count: int


class ReportRequests(Schema):
    """A page of a list."""

    items: list[ReportRequest]
    count: int


class Detail(Schema):
    """An error."""

    detail: str


class FieldValueChange(Schema):
    """A field value to write, identified by ID or by field type and instance. Omitted fields do not change."""

    model_config = ConfigDict(extra="forbid")

    id: int | None = None
    field_type: int | None = None
    instance_id: int | None = None
    value: str | None = None
    value_complex: dict[str, Any] | None = None
    comment: str | None = None
    measurement: int | None = None


class ReportChange(Schema):
    """Changes to a report."""

    model_config = ConfigDict(extra="forbid")

    field_values: list[FieldValueChange]


class NewReportRequest(Schema):
    """A new report request: request body of the 2023 API and columns of the CSV upload."""

    model_config = ConfigDict(extra="forbid")

    report_template: int | str
    organization_name: str = Field(
        min_length=1, max_length=255, validation_alias=AliasChoices("organization_name", "company_name")
    )
    organization_legal_form: str = "gmbh"
    organization_vat_id: str = Field("", validation_alias=AliasChoices("organization_vat_id", "vat_id"))
    organization_court_of_registration: str = ""
    organization_commercial_register_number: str = ""
    organization_homepage: str = ""
    organization_email: Email | Literal[""] = ""
    organization_phone: str = ""
    organization_address_line_1: str = ""
    organization_address_line_2: str = ""
    organization_house_number: str = ""
    organization_zip_code: str = ""
    organization_city: str = ""
    organization_country: str = Field("DE", pattern="^[A-Z]{2}$")
    scoped_external_data: dict[str, Any] | None = None
    user_email: Email
    user_first_name: str = ""
    user_last_name: str = ""
    user_phone: str = ""
    user_salutation: Literal["dear_mr", "dear_mrs", "good_day"] | None = None
    user_locale: Literal["en_US", "de_DE", "fr_FR", "es_ES", "it_IT"] = "de_DE"
    user_timezone: str = "UTC"
    personal_message: str = ""
    reason: str | None = None
    submission_date: date | None = None
    creation_date: date | None = None
    customer_identifier: str | None = None
    provider_notification: Literal["directly", "after_esg_risk_check", "no_notification"] = "directly"
    requestor_email: Email | None = None
    requestor_first_name: str = ""
    requestor_last_name: str = ""
    requestor2_email: Email | None = None
    requestor2_first_name: str = ""
    requestor2_last_name: str = ""
    requestor3_email: Email | None = None
    requestor3_first_name: str = ""
    requestor3_last_name: str = ""


class CreatedReportRequest(Schema):
    """The response to a new report request."""

    report_request: ReportRequest
    report_request_code: str
    registration_code: str | None = Field(description="null if the contact is already registered")
