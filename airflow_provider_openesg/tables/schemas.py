"""The Arrow schema of each table. The docs are generated from its metadata: ``description`` and ``unit``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.value_format import PRECISION, SCALE

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = pa.string()
BOOLEAN = pa.bool_()
INTEGER = pa.int64()
DATE = pa.date32()
TIMESTAMP = pa.timestamp("us", tz="UTC")
DECIMAL = pa.decimal128(PRECISION, SCALE)
"""Measures and money."""

EXTRA = "extra"


def _field(name: str, type_: pa.DataType, description: str, **metadata: str) -> pa.Field:
    return pa.field(name, type_, metadata={"description": description, **metadata})


def is_json(field: pa.Field) -> bool:
    """Return whether a text column contains JSON."""
    return (field.metadata or {}).get(b"content") == b"json"


def _json(name: str, description: str) -> pa.Field:
    """Return a text field for JSON as sent. ``content`` marks it for databases with a JSON type."""
    return _field(name, TEXT, description, content="json")


def _schema(table: str, description: str, fields: list[pa.Field]) -> pa.Schema:
    fields.append(
        _json(
            EXTRA,
            "Fields without a column and values that do not fit their column, as sent; null if there are none.",
        )
    )
    keys = TABLES[table]
    return pa.schema(
        [field.with_nullable(field.name not in keys) for field in fields], metadata={"description": description}
    )


def _user_fields(who: str) -> list[pa.Field]:
    return [
        _field("user_id", TEXT, f"User {who}."),
        _field("user_email", TEXT, "E-mail address of that user."),
        _field("user_first_name", TEXT, "First name of that user."),
        _field("user_last_name", TEXT, "Last name of that user."),
    ]


_TIMES = [
    _field("created_at", TIMESTAMP, "When the record was created.", unit="UTC"),
    _field("updated_at", TIMESTAMP, "When the record last changed.", unit="UTC"),
]

SCHEMAS: Mapping[str, pa.Schema] = {
    "organizations": _schema(
        "organizations",
        "Companies and requestors on the platform, as far as this client may see them.",
        [
            _field("id", TEXT, "The platform's id of the organization."),
            _field("name", TEXT, "Company name."),
            _field("type", TEXT, "Legal form, such as gmbh, ag, kg."),
            _field("vat_id", TEXT, "VAT identification number."),
            _field("court_of_registration", TEXT, "Court where the company is registered."),
            _field("registration_number", TEXT, "Number in the commercial register."),
            _field("homepage", TEXT, "Web address."),
            _json("scoped_external_data", "Data that the requestor keeps about the organization."),
        ],
    ),
    "report_templates": _schema(
        "report_templates",
        "What a report asks for: each template has sections, and each section field types.",
        [
            _field("id", TEXT, "The platform's id of the template."),
            _field("organization_id", TEXT, "Organization that owns the template; null for the platform's own."),
            _field("key", TEXT, "Key of the template, such as vsme."),
            _field("name", TEXT, "Name of the template."),
            _field("description", TEXT, "What the template is for."),
            _field("catalog_id", TEXT, "Catalog that the template belongs to."),
            _field("catalog_key", TEXT, "Key of that catalog."),
            _field("catalog_name", TEXT, "Name of that catalog."),
        ],
    ),
    "sections": _schema(
        "sections",
        "Chapters of a template; a tree by parent_id.",
        [
            _field("template_id", TEXT, "Template that the section is in."),
            _field("id", TEXT, "The platform's id of the section."),
            _field("position", INTEGER, "Position of the section in the template, from 0."),
            _field("parent_id", TEXT, "Section above this one; null at the top."),
            _field("key", TEXT, "Key of the section."),
            _field("name", TEXT, "Name of the section."),
            _field("description", TEXT, "What the section asks for."),
            _field("is_commentable", BOOLEAN, "Whether a comment is allowed."),
            _field(
                "multi_instance", BOOLEAN, "Whether the section can have several instances (field_values.instance_id)."
            ),
        ],
    ),
    "field_types": _schema(
        "field_types",
        "Questions of a template: what a field value means, its data type and its unit.",
        [
            _field("template_id", TEXT, "Template that the field type is in."),
            _field("id", TEXT, "The platform's id of the field type."),
            _field("section_id", TEXT, "Section that the field type is in."),
            _field("position", INTEGER, "Position of the field type in its section, from 0."),
            _field("key", TEXT, "Key to map to your own data model, such as esg.environment.electricity."),
            _field("name", TEXT, "Name of the field type."),
            _field("description", TEXT, "What is asked for."),
            _field("label", TEXT, "Label of the input, often the unit (kWh)."),
            _field("metric_type_id", TEXT, "Metric that is measured."),
            _field("metric_type_key", TEXT, "Key of that metric."),
            _field("metric_type_name", TEXT, "Name of that metric."),
            _field(
                "datatype",
                TEXT,
                "decimal, integer, string, short_text, text, boolean, eu_economic_activity, daterange, or newer ones.",
            ),
            _field(
                "unit",
                TEXT,
                "Key of the only entry of units (else its name or id); null if there are none or several.",
            ),
            _json("units", "Units of the field type; those of its metric if it lists none itself."),
            _json("measurements", "Measurement methods that can be chosen, such as estimation and measurement."),
            _field("attachment", TEXT, "Whether a file can be attached: none, optional, required."),
            _field("is_commentable", BOOLEAN, "Whether a comment is allowed."),
            _field("required", BOOLEAN, "Whether a value is required."),
            _field("min", DECIMAL, "Smallest value allowed.", unit="that of the field type"),
            _field("max", DECIMAL, "Largest value allowed.", unit="that of the field type"),
        ],
    ),
    "report_requests": _schema(
        "report_requests",
        "Requests of a requestor to a company for a report.",
        [
            _field("id", TEXT, "The platform's id of the request."),
            _field("template_id", TEXT, "Template that is asked for (report_templates.id)."),
            _field("organization_id", TEXT, "Organization of the request (organizations.id)."),
            *_user_fields("of the request"),
            _field("report_id", TEXT, "Report for the request; null until it exists."),
            _field("status", TEXT, "State of the request; a word that is not known is as the platform sends it."),
            _field(
                "customer_identifier",
                TEXT,
                "The requestor's own identifier; reports and requests can be filtered by it.",
            ),
            _field("reason", TEXT, "Purpose, which distinguishes reports of one organization."),
            _field("personal_message", TEXT, "Message to the contact."),
            _field("submission_date", DATE, "Day by which the report is asked for."),
            _field("approved_at", TIMESTAMP, "When the request was approved.", unit="UTC"),
            *_TIMES,
        ],
    ),
    "reports": _schema(
        "reports",
        "Reports of companies: status, progress, period and who provides them.",
        [
            _field("id", TEXT, "The platform's id of the report."),
            _field("template_id", TEXT, "Template that the report fills (report_templates.id)."),
            _field("report_request_id", TEXT, "Request that the report is for; null if it was not requested."),
            _field("organization_id", TEXT, "Company that reports (organizations.id); null until one is assigned."),
            *_user_fields("who fills the report"),
            _field("status", TEXT, "State of the report; a word that is not known is as the platform sends it."),
            _field("progress", pa.float64(), "Share of the report that is filled.", unit="%"),
            _field("period_start", DATE, "First day of the reporting period."),
            _field("period_end", DATE, "Last day of the reporting period."),
            _field(
                "customer_identifier",
                TEXT,
                "The requestor's own identifier; reports and requests can be filtered by it.",
            ),
            _field("reason", TEXT, "Purpose, which distinguishes reports of one organization."),
            *_TIMES,
            _field("submitted_at", TIMESTAMP, "When the report was submitted; null until then.", unit="UTC"),
        ],
    ),
    "field_values": _schema(
        "field_values",
        "One row per value of a report: the text as sent, and the value in a column of its data type.",
        [
            _field("id", TEXT, "The platform's id of the value."),
            _field("report_id", TEXT, "Report that the value is in (reports.id)."),
            _field("template_id", TEXT, "Template of that report (report_templates.id)."),
            _field("section_id", TEXT, "Section that the value is in (sections.id)."),
            _field("section_key", TEXT, "Key of that section."),
            _field("field_type_id", TEXT, "Field type of the value (field_types.id)."),
            _field("field_key", TEXT, "Key of that field type, to map to your own data model."),
            _field("datatype", TEXT, "Data type of that field type, which decides the typed columns that are filled."),
            _field("unit", TEXT, "Unit of the value: its own, else that of its field type if it has exactly one."),
            _field("instance_id", TEXT, "Instance of a multi-instance section; null in other sections."),
            _field("organization_id", TEXT, "Organization that gave the value (organizations.id)."),
            _field("value", TEXT, "The value as sent, for every data type; null if there is none."),
            _field("value_decimal", DECIMAL, "The value of a decimal or integer field, exact.", unit="column unit"),
            _field(
                "value_integer", INTEGER, "The value of an integer field if it fits in 64 bits.", unit="column unit"
            ),
            _field("value_boolean", BOOLEAN, "The value of a boolean field."),
            _field("value_start", DATE, "First day of a date range; for a single day, that day."),
            _field("value_end", DATE, "Last day of a date range; for a single day, that day."),
            _field("value_code", TEXT, 'Code of an economic activity: "12.12.12" of "12.12.12 | Fischerei".'),
            _json("value_complex", "The value of a field type whose values have parts."),
            _field("comment", TEXT, "Comment on the value."),
            _field("measurement_id", TEXT, "Measurement method that was chosen."),
            _field(
                "measurement",
                TEXT,
                "Key of that method, such as estimation or measurement, if the field type lists it.",
            ),
            _json("attachment", "File that belongs to the value: name, address, size."),
            _field("valid", BOOLEAN, "Whether the platform considers the value valid."),
            _field("required", BOOLEAN, "Whether the value is required."),
        ],
    ),
}
"""Table name to schema. Every id is text, whether the platform sends numbers or UUIDs."""
