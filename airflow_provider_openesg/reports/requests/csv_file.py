"""Read rows from a CSV file in the format of the platform's CSV upload: delimiter ``,`` or ``;``, one header row."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.reports.requests.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_csv(content: bytes, name: str) -> dict[int, Mapping[str, Any]]:
    """Return the rows of a CSV file by their numbers in a spreadsheet: the first row below the header is row 2.

    :param content: content in UTF-8, with or without a byte order mark.
    :param name: name of the file, for messages.
    :raises OpenESGConfigError: if the file is not UTF-8, has no header, has a column twice, or if a row has more cells
        than the header.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OpenESGConfigError(
            f"requests: {name}: byte {error.start} is not UTF-8. Save the file as CSV UTF-8 (Excel: File, Save as)."
        ) from None
    # The delimiter with more known column names is the right one. Counting delimiters fails: values may have commas.
    tables = [_table(text, delimiter, name) for delimiter in ",;"]
    header, *rows = max(tables, key=lambda table: len(COLUMNS.keys() & set(_names(table))))
    names = _names([header])
    repeated = next((each for number, each in enumerate(names) if each and each in names[:number]), None)
    if repeated is not None:
        raise OpenESGConfigError(f"requests: {name}: the header has the column {repeated!r} twice. Rename one.")
    result: dict[int, Mapping[str, Any]] = {}
    for number, cells in enumerate(rows, 2):
        if not any(map(str.strip, cells)):
            continue
        unnamed = [cell for label, cell in zip(names, cells, strict=False) if not label]
        if any(map(str.strip, unnamed + cells[len(names) :])):
            raise OpenESGConfigError(
                f"requests: {name}: row {number} has more cells than the header. Quote values that contain the "
                "delimiter."
            )
        result[number] = {label: cell for label, cell in zip(names, cells, strict=False) if label}
    return result


def _table(text: str, delimiter: str, name: str) -> list[list[str]]:
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise OpenESGConfigError(f"requests: {name}: not a CSV file: {error}.") from None
    if not table or not any(table[0]):
        raise OpenESGConfigError(
            f"requests: {name}: the file is empty; allowed: a first row with the names of the columns."
        )
    return table


def _names(table: list[list[str]]) -> list[str]:
    return [cell.strip().lower() for cell in table[0]]
