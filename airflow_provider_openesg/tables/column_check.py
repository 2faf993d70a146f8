"""Find columns that are empty because the platform has other names for their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_openesg.client.conversion import known_statuses, unknown_status
from airflow_provider_openesg.client.samples import missing_fields
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.hints import closest, in_profile
from airflow_provider_openesg.records import KEY_FIELDS, RECORDS, REPORT, REPORT_REQUEST
from airflow_provider_openesg.tables.builders import FIELDS

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Api
    from airflow_provider_openesg.tables.summary import Summary

_TABLES = {
    "organizations": "organization",
    "report_templates": "template",
    "sections": "section",
    "field_types": "field_type",
    "report_requests": "report_request",
    "reports": "report",
    "field_values": "field_value",
    "users": "user",
}
"""Table to the record of its rows. Users have no table, but columns in those of reports and requests."""


def check_columns(summary: Summary, api: Api) -> None:
    """Compare the columns that are null in every row with the fields that every record has without a column.

    :raises OpenESGContractError: if joins, types or filters depend on such a column.
    """
    _check_statuses(summary)
    _check_datatypes(summary)
    for table, record in _TABLES.items():
        missing, _ = missing_fields(summary.differences, api, record)
        columns = {field: column for column, field in FIELDS.get(table, {}).items()}
        filled = summary.filled.get(table, ())
        empty = sorted(name for name in missing if columns.get(name, name) not in filled and name != "id")
        if empty:
            unknown = set.intersection(*map(set, summary.differences.fields[RECORDS[record].name]))
            _report(summary, record, empty, sorted(unknown))


def _check_statuses(summary: Summary) -> None:
    """Report statuses that are not known, also of rows that were not translated."""
    for table, type_ in (("reports", REPORT), ("report_requests", REPORT_REQUEST)):
        for word in sorted(summary.statuses.get(table, ())):
            if word not in known_statuses(type_):
                summary.differences.add(unknown_status(type_, word))


def _check_datatypes(summary: Summary) -> None:
    """Report data types that are not known: values of newer types are text, but if none is known, words differ."""
    met = summary.differences.datatypes
    unknown = sorted(word for word, known in met.items() if not known)
    if not unknown:
        return
    text = (
        f"the values of the data types {', '.join(map(repr, unknown))} stay text. If one means a known type, "
        + in_profile(f'[words.datatype] "{unknown[0]}" = "decimal"')
    )
    if any(met.values()):
        summary.differences.recognize("field type", text)
    else:
        summary.differences.add(f"field type: no data type is known, so all typed columns are null: {text}")


def _report(summary: Summary, record: str, empty: list[str], unknown: list[str]) -> None:
    keys = [field for field in empty if field in KEY_FIELDS.get(record, ())]
    if not empty or not (unknown or keys):
        return
    name = RECORDS[record].name
    fields = ", ".join(map(repr, empty if unknown else keys))
    others = f", while each has {', '.join(map(repr, unknown))}" if unknown else ""
    example = (keys or empty)[0]
    text = (
        f"{name}: no record has {fields}{others}, so these columns are null in every row. If one means the other, "
        + in_profile(f'[names] {record}.{example} = "{closest(example, unknown) or "..."}"')
        + f'; if the platform has none: {record}.{example} = ""'
    )
    if keys and unknown:
        raise OpenESGContractError(f"{text}. Nothing is written, because joins and types depend on {', '.join(keys)}.")
    summary.differences.add(text)
