"""Rows of a CSV file as the platform's upload takes it: ``,`` or ``;``, the header row chooses the columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.reports.requests.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_csv(content: bytes, name: str) -> dict[int, Mapping[str, Any]]:
    """Read a CSV file: rows by the number that a spreadsheet gives them, so the first below the header is row 2.

    :param content: UTF-8, with or without a byte order mark.
    :param name: of the file, for messages.
    :raises OpenESGConfigError: not UTF-8, no header, a column twice, or a row with more cells than the header.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OpenESGConfigError(
            f"requests: {name}: byte {error.start} is not UTF-8; save it as CSV UTF-8 (Excel: File, Save as)."
        ) from None
    # Only known names tell the delimiter surely: names of organizations have commas in them.
    tables = [_table(text, delimiter, name) for delimiter in ",;"]
    header, *rows = max(tables, key=lambda table: len(COLUMNS.keys() & set(_names(table))))
    names = _names([header])
    twice = next((each for number, each in enumerate(names) if each and each in names[:number]), None)
    if twice is not None:
        raise OpenESGConfigError(f"requests: {name}: the header has the column {twice!r} twice.")
    result: dict[int, Mapping[str, Any]] = {}
    for number, cells in enumerate(rows, 2):
        if not any(map(str.strip, cells)):
            continue
        unnamed = [cell for label, cell in zip(names, cells, strict=False) if not label]
        if any(map(str.strip, unnamed + cells[len(names) :])):
            raise OpenESGConfigError(
                f"requests: {name}: row {number} has more cells than the header has columns; quote values that have "
                "the delimiter in them."
            )
        result[number] = {label: cell for label, cell in zip(names, cells, strict=False) if label}
    return result


def _table(text: str, delimiter: str, name: str) -> list[list[str]]:
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise OpenESGConfigError(f"requests: {name}: not readable as CSV: {error}.") from None
    if not table or not any(table[0]):
        raise OpenESGConfigError(f"requests: {name}: empty; its first row has to name the columns.")
    return table


def _names(table: list[list[str]]) -> list[str]:
    return [cell.strip().lower() for cell in table[0]]
