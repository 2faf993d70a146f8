"""Check the rows of a list of report requests. All rows are checked before anything is sent."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from airflow_provider_openesg.parameters import did_you_mean
from airflow_provider_openesg.reports.requests.columns import COLUMNS, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DERIVED = "auto-"
"""Prefix of a ``customer_identifier`` that this package derives."""

MAX_SHOWN = 10
"""Row numbers that are listed for an error that many rows have."""


class Key(NamedTuple):
    """Identity of a report request: two rows with the same key are the same request."""

    template: str
    customer_identifier: str
    reason: str

    def __str__(self) -> str:
        reason = f", reason {self.reason!r}" if self.reason else ""
        return f"customer_identifier {self.customer_identifier!r}, template {self.template}{reason}"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be sent.

    :param row: number of the row.
    :param column: name of the column, or ``row``.
    :param value: value that was given.
    :param allowed: values that are allowed, as text.
    """

    row: int
    column: str
    value: Any
    allowed: str

    def __str__(self) -> str:
        return f"row {self.row}, {self._text}"

    @property
    def _text(self) -> str:
        given = "no value" if self.value is None else f"{self.value!r:.100}"
        return f"{self.column}: {given} given; allowed: {self.allowed}"

    @classmethod
    def grouped(cls, errors: Iterable[RowError]) -> list[str]:
        """Return a message for each error; rows with the same error share a message."""
        groups: dict[tuple[Any, ...], list[RowError]] = {}
        for error in errors:
            # An unknown column is the same error in all rows.
            value = repr(error.value) if error.column in COLUMNS else None
            groups.setdefault((error.column, error.allowed, value), []).append(error)
        return [
            str(group[0]) if len(group) == 1 else f"{_row_numbers([each.row for each in group])}, {group[0]._text}"
            for group in groups.values()
        ]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A valid row. Its ``repr`` has no personal data.

    :param number: number of the row in the input.
    :param key: identity of the request.
    :param body: body of the POST request.
    """

    number: int
    key: Key
    body: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True)
class CheckedRows:
    """Result of the check of all rows.

    :param valid: rows that can be sent.
    :param errors: errors by row number.
    :param duplicates: number of a row -> number of an earlier row with the same key.
    """

    valid: list[RequestRow] = field(default_factory=list)
    errors: dict[int, list[RowError]] = field(default_factory=dict)
    duplicates: dict[int, int] = field(default_factory=dict)


def check_rows(
    rows: Iterable[tuple[int, Mapping[str, Any]]], templates: Mapping[str, Sequence[Any]], default_template: Any = None
) -> CheckedRows:
    """Check every value of every row.

    :param rows: row numbers and rows.
    :param templates: template ids; see :func:`~airflow_provider_openesg.client.source.template_ids`.
    :param default_template: id or key of the template for rows without one.
    """
    checked, rows_by_key = CheckedRows(), dict[Key, int]()
    for number, given in rows:
        row = _check_row(number, given, templates, default_template)
        if isinstance(row, RequestRow):
            if row.key in rows_by_key:
                checked.duplicates[number] = rows_by_key[row.key]
            else:
                rows_by_key[row.key] = number
                checked.valid.append(row)
        else:
            checked.errors[number] = row
    return checked


def _check_row(
    number: int, given: Any, templates: Mapping[str, Sequence[Any]], default_template: Any
) -> RequestRow | list[RowError]:
    if not hasattr(given, "items"):
        return [RowError(number, "row", given, "a dict of columns and values")]
    errors: list[RowError] = []
    body: dict[str, Any] = {}
    for name, value in given.items():
        column = str(name).strip().lower()
        if column not in COLUMNS:
            errors.append(RowError(number, str(name), value, _known_columns(column)))
            continue
        try:
            text = _text(value)
            if text is not None and column in body:
                raise NotAllowedError("one column of this name")
            if text is not None:
                body[column] = COLUMNS[column].read(text)
        except NotAllowedError as error:
            errors.append(RowError(number, column, value, str(error)))
    template = body.get("report_template") or _text(default_template)
    ids = () if template is None else templates.get(template, ())
    if len(ids) == 1:
        body["report_template"] = ids[0]
    elif ids:
        allowed = f"one of the ids {', '.join(map(str, ids))}, because several templates have this key"
        errors.append(RowError(number, "report_template", template, allowed))
    elif template is not None or not any(error.column == "report_template" for error in errors):
        errors.append(RowError(number, "report_template", template, f"one of {', '.join(templates) or '(none)'}"))
    for name, column_rule in COLUMNS.items():
        if column_rule.mandatory and name not in body and not any(error.column == name for error in errors):
            errors.append(RowError(number, name, None, f"{column_rule.allowed}; it is mandatory"))
    if errors:
        return errors
    body.setdefault("customer_identifier", _derived_identifier(body))
    key = Key(str(body["report_template"]), body["customer_identifier"], body.get("reason", ""))
    return RequestRow(number, key, body)


def _row_numbers(numbers: list[int]) -> str:
    shown = f"{numbers[0]} to {numbers[-1]}"
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        shown = ", ".join(map(str, numbers[:MAX_SHOWN])) + (", …" if len(numbers) > MAX_SHOWN else "")
    return f"{len(numbers)} rows ({shown})"


def _text(value: Any) -> str | None:
    """Return a value as text of the CSV upload; ``None`` if it is empty."""
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)  # pandas reads 4711 as 4711.0 if the column has gaps; databases return a Decimal
    if isinstance(value, datetime):
        if value.time().replace(tzinfo=None) != datetime.min.time():
            raise NotAllowedError("a date without a time of day")
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise NotAllowedError("text, whole numbers and dates")
    return str(value).strip() or None


def _derived_identifier(body: Mapping[str, Any]) -> str:
    """Return an identifier of organization and contact that does not depend on case and spaces.

    Template and reason are not part of it, because they are own parts of the key.
    """
    parts = [" ".join(body[name].casefold().split()) for name in ("organization_name", "user_email")]
    return DERIVED + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _known_columns(column: str) -> str:
    """Return the allowed columns as text: the likely one, or all of them."""
    hint = did_you_mean(column, COLUMNS)
    return f"a known column.{hint}" if hint else f"the columns {', '.join(COLUMNS)}"
