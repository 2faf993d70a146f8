"""Record types of the platform: the fields that have a column, with the names and types that API v1 is assumed to have.

Anything else that a record carries goes to ``extra``. A reference may come as an id or as the object itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

ID: Any = int | str | None
TEXT: Any = str | None
BOOLEAN: Any = bool | None
DATE: Any = date | None
# Arrow reads a column of times at once.
TIME: Any = str | None
# Other numbers are read from their text, so that no digit is lost.
NUMBER: Any = int | None
OBJECT: Any = dict[str, msgspec.Raw] | None
JSON: Any = msgspec.Raw


@dataclass(frozen=True, slots=True)
class RecordType:
    """A kind of record.

    :param name: name in error messages.
    :param fields: name to expected type; a value of another type is kept, but decoded slowly.
    :param identified: whether a record without ``id`` is an error.
    """

    name: str
    fields: Mapping[str, Any]
    identified: bool = True


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference: an id, or the object with its ``id``."""

    type: RecordType


@dataclass(frozen=True, slots=True)
class Many:
    """Records inside a record."""

    type: RecordType


LINK = RecordType("record", {"id": ID})

USER = RecordType("user", {"id": ID, "email": TEXT, "first_name": TEXT, "last_name": TEXT}, identified=False)

ORGANIZATION = RecordType(
    "organization",
    {
        "id": ID,
        "name": TEXT,
        "type": TEXT,
        "vat_id": TEXT,
        "court_of_registration": TEXT,
        "registration_number": TEXT,
        "homepage": TEXT,
        "scoped_external_data": OBJECT,
    },
)

METRIC_TYPE = RecordType(
    "metric type", {"id": ID, "key": TEXT, "name": TEXT, "datatype": TEXT, "units": JSON}, identified=False
)

FIELD_TYPE = RecordType(
    "field type",
    {
        "id": ID,
        "key": TEXT,
        "name": TEXT,
        "description": TEXT,
        "label": TEXT,
        "metric_type": Ref(METRIC_TYPE),
        # If field types have a separate path, they name their section.
        "section": Ref(LINK),
        # The API of 2023 has these two in the metric type only; the page of v1 lists them for the field type.
        "datatype": TEXT,
        "units": JSON,
        "measurements": JSON,
        "attachment": TEXT,
        "is_commentable": BOOLEAN,
        "required": BOOLEAN,
        "min": NUMBER,
        "max": NUMBER,
    },
)

SECTION = RecordType(
    "section",
    {
        "id": ID,
        "key": TEXT,
        "name": TEXT,
        "description": TEXT,
        "is_commentable": BOOLEAN,
        "multi_instance": BOOLEAN,
        "parent_id": Ref(LINK),
        "field_types": Many(FIELD_TYPE),
    },
)

CATALOG = RecordType("catalog", {"id": ID, "key": TEXT, "name": TEXT}, identified=False)

TEMPLATE = RecordType(
    "report template",
    {
        "id": ID,
        "organization": Ref(ORGANIZATION),
        "key": TEXT,
        "name": TEXT,
        "description": TEXT,
        "catalog": Ref(CATALOG),
        "sections": Many(SECTION),
    },
)

REPORT_REQUEST = RecordType(
    "report request",
    {
        "id": ID,
        "report_template": Ref(TEMPLATE),
        "organization": Ref(ORGANIZATION),
        "user": Ref(USER),
        "report": Ref(LINK),
        "status": TEXT,
        "customer_identifier": TEXT,
        "reason": TEXT,
        "personal_message": TEXT,
        "submission_date": DATE,
        "approved_at": TIME,
        "created_at": TIME,
        "updated_at": TIME,
    },
)

MEASUREMENT = RecordType("measurement", {"id": ID, "key": TEXT, "name": TEXT})

FIELD_VALUE = RecordType(
    "field value",
    {
        "id": ID,
        "organization": Ref(ORGANIZATION),
        "value": TEXT,
        "value_complex": OBJECT,
        # The unit of this value, if it is not that of the field type.
        "unit": JSON,
        "comment": TEXT,
        "measurement": Ref(MEASUREMENT),
        "attachment": OBJECT,
        "instance_id": ID,
        "valid": BOOLEAN,
        "required": BOOLEAN,
        "section": Ref(SECTION),
        "field_type": Ref(FIELD_TYPE),
    },
)

REPORT = RecordType(
    "report",
    {
        "id": ID,
        "template": Ref(TEMPLATE),
        "report_request": Ref(LINK),
        "organization": Ref(ORGANIZATION),
        "user": Ref(USER),
        "status": TEXT,
        "progress": NUMBER,
        "period_start": DATE,
        "period_end": DATE,
        "customer_identifier": TEXT,
        "reason": TEXT,
        "created_at": TIME,
        "updated_at": TIME,
        "submitted_at": TIME,
        "field_values": Many(FIELD_VALUE),
    },
)

RECORDS: Mapping[str, RecordType] = MappingProxyType(
    {
        "organization": ORGANIZATION,
        "template": TEMPLATE,
        "section": SECTION,
        "field_type": FIELD_TYPE,
        "metric_type": METRIC_TYPE,
        "measurement": MEASUREMENT,
        "report_request": REPORT_REQUEST,
        "report": REPORT,
        "field_value": FIELD_VALUE,
        "user": USER,
        "catalog": CATALOG,
    }
)
"""Record types by the name that users type in ``names`` of an :class:`~airflow_provider_openesg.api.Api`."""

KEY_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "template": frozenset({"key"}),
        "field_type": frozenset({"key", "datatype"}),
        "report_request": frozenset({"report_template", "organization", "report", "status", "customer_identifier"}),
        "report": frozenset({"template", "organization", "status", "customer_identifier"}),
        "field_value": frozenset({"field_type", "value"}),
    }
)
"""Fields that joins, types and filters depend on, by record."""

OPTIONAL_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "template": frozenset({"sections"}),
        "section": frozenset({"field_types"}),
        "field_type": frozenset({"section", "datatype", "units", "label"}),
        "report": frozenset({"field_values"}),
        "field_value": frozenset({"unit"}),
    }
)
"""Fields that the assumed API has elsewhere, or not at all, by record."""
