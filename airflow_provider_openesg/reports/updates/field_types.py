"""The field types of a report's template: what values are checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.api import reference
from airflow_provider_openesg.exceptions import OpenESGContractError

if TYPE_CHECKING:
    from airflow_provider_openesg.client.client import OpenESGClient


@dataclass(frozen=True, slots=True)
class Field:
    """A field type.

    :param repeats: its section is answered several times, told apart by ``instance_id``.
    :param units: all names of the unit that its values are in; empty where they have none.
    :param measurements: id of each way of measuring, by key, name and id (as text).
    """

    id: Any
    key: str
    datatype: str
    repeats: bool
    low: Decimal | None
    high: Decimal | None
    units: tuple[str, ...]
    measurements: Mapping[str, Any]
    takes_comment: bool
    takes_attachment: bool


def read_fields(client: OpenESGClient, report: Mapping[str, Any]) -> dict[str, Field]:
    """Read the field types of a report's template, by key.

    :raises OpenESGContractError: the report names no template, or the template's keys are not its own.
    """
    template = reference(report, "template")
    if template is None:
        raise OpenESGContractError(f"Report {report['id']} does not say which template it is made from.")
    fields: dict[str, Field] = {}
    for section in client.with_details("report-templates", {"id": template})["sections"]:
        for record in section.get("field_types") or ():
            field = _field(record, repeats=bool(section.get("multi_instance")))
            if fields.setdefault(field.key, field) is not field:
                raise OpenESGContractError(
                    f"Report template {template} has several field types with the key {field.key!r}: which of them "
                    "a value belongs to cannot be told."
                )
    return fields


def _field(record: Mapping[str, Any], *, repeats: bool) -> Field:
    metric = record.get("metric_type")
    metric = metric if isinstance(metric, Mapping) else {}
    unit = next(iter(record.get("units") or metric.get("units") or ()), None)
    measurements = [each for each in record.get("measurements") or () if isinstance(each, Mapping)]
    return Field(
        id=record["id"],
        key=str(record["key"]),
        datatype=str(record.get("datatype") or metric.get("datatype") or ""),
        repeats=repeats,
        low=_bound(record.get("min")),
        high=_bound(record.get("max")),
        units=tuple(str(unit[name]) for name in ("key", "name", "id") if unit.get(name) is not None)
        if isinstance(unit, Mapping)
        else (),
        measurements={
            str(each[name]): each["id"] for name in ("id", "name", "key") for each in measurements if name in each
        },
        takes_comment=record.get("is_commentable") is not False,
        takes_attachment=record.get("attachment") != "none",
    )


def _bound(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value)).normalize()
