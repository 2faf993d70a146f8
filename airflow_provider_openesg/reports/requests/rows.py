"""Rows of a list of report requests: checked as a whole, before anything is sent."""

from __future__ import annotations

import difflib
import hashlib
import math
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from airflow_provider_openesg.reports.requests.columns import COLUMNS, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DERIVED = "auto-"
"""Prefix of a ``customer_identifier`` that this package has made."""

SHOWN = 10
"""Rows that a fault common to many of them names."""


class Key(NamedTuple):
    """What makes two requests the same request."""

    template: str
    customer_identifier: str
    reason: str

    def __str__(self) -> str:
        reason = f", reason {self.reason!r}" if self.reason else ""
        return f"customer_identifier {self.customer_identifier!r}, template {self.template}{reason}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be sent."""

    row: int
    column: str
    value: Any
    allowed: str

    def __str__(self) -> str:
        return f"row {self.row}, {self._what}"

    @property
    def _what(self) -> str:
        given = "no value" if self.value is None else f"{self.value!r:.100}"
        return f"{self.column}: {given} given; allowed: {self.allowed}"

    @classmethod
    def listed(cls, faults: Iterable[Fault]) -> list[str]:
        """Say all of them; what is wrong with a column, or with one value in many rows, once for all its rows."""
        alike: dict[tuple[Any, ...], list[Fault]] = {}
        for fault in faults:
            of_column = fault.column not in COLUMNS
            alike.setdefault((fault.column, fault.allowed, not of_column and repr(fault.value)), []).append(fault)
        return [
            str(some[0]) if len(some) == 1 else f"{_rows([fault.row for fault in some])}, {some[0]._what}"
            for some in alike.values()
        ]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A row that can be sent. ``repr`` shows no personal data.

    :param number: where it stands in the input.
    :param body: of the POST.
    """

    number: int
    key: Key
    body: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True)
class Checked:
    """What became of an input.

    :param faults: by row number.
    :param repeated: row number -> number of the row before it that has the same key.
    """

    valid: list[RequestRow] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    repeated: dict[int, int] = field(default_factory=dict)


def check_rows(
    rows: Iterable[tuple[int, Mapping[str, Any]]], templates: Mapping[str, Any], default_template: Any = None
) -> Checked:
    """Check every value of every row.

    :param rows: with their numbers.
    :param templates: id of a template by its id, as text, and by its key.
    :param default_template: of rows that name none.
    """
    checked, seen = Checked(), dict[Key, int]()
    for number, given in rows:
        row = _check_row(number, given, templates, default_template)
        if isinstance(row, RequestRow):
            if row.key in seen:
                checked.repeated[number] = seen[row.key]
            else:
                seen[row.key] = number
                checked.valid.append(row)
        else:
            checked.faults[number] = row
    return checked


def _check_row(
    number: int, given: Any, templates: Mapping[str, Any], default_template: Any
) -> RequestRow | list[Fault]:
    if not hasattr(given, "items"):
        return [Fault(number, "row", given, "a dict of columns and values")]
    faults: list[Fault] = []
    body: dict[str, Any] = {}
    for name, value in given.items():
        column = str(name).strip().lower()
        if column not in COLUMNS:
            faults.append(Fault(number, str(name), value, _known(column)))
            continue
        try:
            text = _text(value)
            if text is not None and column in body:
                raise NotAllowedError("one column of this name")
            if text is not None:
                body[column] = COLUMNS[column].read(text)
        except NotAllowedError as error:
            faults.append(Fault(number, column, value, str(error)))
    template = body.get("report_template") or _text(default_template)
    if template is not None and template in templates:
        body["report_template"] = templates[template]
    elif template is not None or not any(fault.column == "report_template" for fault in faults):
        faults.append(Fault(number, "report_template", template, f"one of {', '.join(templates) or '(none)'}"))
    for name, column_rule in COLUMNS.items():
        if column_rule.mandatory and name not in body and not any(fault.column == name for fault in faults):
            faults.append(Fault(number, name, None, f"{column_rule.takes}; it is mandatory"))
    if faults:
        return faults
    body.setdefault("customer_identifier", _derived_identifier(body))
    key = Key(str(body["report_template"]), body["customer_identifier"], body.get("reason", ""))
    return RequestRow(number, key, body)


def _rows(numbers: list[int]) -> str:
    shown = f"{numbers[0]} to {numbers[-1]}"
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        shown = ", ".join(map(str, numbers[:SHOWN])) + (", …" if len(numbers) > SHOWN else "")
    return f"{len(numbers)} rows ({shown})"


def _text(value: Any) -> str | None:
    """Return a value as the CSV upload would have it; ``None`` for an empty one."""
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)  # pandas makes 4711 a 4711.0 where a column has gaps, databases a Decimal
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
    """Return the same identifier for the same organization and contact, however they are spaced and capitalised.

    Template and reason are parts of the key beside it.
    """
    who = [" ".join(body[name].casefold().split()) for name in ("organization_name", "user_email")]
    return DERIVED + hashlib.sha256("\0".join(who).encode()).hexdigest()[:24]


def _known(column: str) -> str:
    near = [name for name in COLUMNS if name.endswith(f"_{column}")] or difflib.get_close_matches(column, COLUMNS, 1)
    if not near:
        return f"the columns {', '.join(COLUMNS)}"
    return f"a known column (did you mean {' or '.join(map(repr, near))}?)"
