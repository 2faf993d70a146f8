"""What a point means in the numbers of a pull: 2.263 may be less than three, or 2263 in German."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.tables.value_format import number

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Point
    from airflow_provider_openesg.client.differences import Differences

_AMBIGUOUS_COMMA = r"[+-]?[1-9][0-9]{0,2},[0-9]{3}"
_POINT = pa.scalar(b".")
_LONE = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
_MEANING = "if you know what the point means, " + in_profile(
    'values = {point = "decimal"} (2.263 is less than 3), {point = "group"} (2263) or {point = "unread"} (no number)'
)


class NumberForms:
    """Decide how a number such as ``2.263`` is read, by the other numbers of the pull.

    ``1.234,50`` shows that a comma is the decimal mark, ``12.50`` that a point is. With only the first, ``2.263`` is
    2263; with both it is ambiguous and not read; else it is a decimal, the platform's own form.

    :param point: what the user wrote down, or ``auto``.
    :param differences: gets what was decided.
    """

    def __init__(self, point: Point, differences: Differences) -> None:
        self._point = point
        self._differences = differences
        self._comma = self._decimal = self._doubt = ""
        self._read_as: dict[str, str] = {}

    def plain(self, text: pa.Array, plain: pa.Array, comma: str, integer: pa.Array | None = None) -> pa.Array:
        """Return the texts of plain numbers as they are to be read; null where they are ambiguous.

        :param text: all texts.
        :param plain: which of them are plain numbers: digits, and at most a point.
        :param comma: a number of the same batch whose decimal mark is a comma; empty if there is none.
        :param integer: which of them are values of integer fields: there, ``2.000`` is only read if others show how.
        """
        if self._point == "decimal":
            return text
        if re.fullmatch(_AMBIGUOUS_COMMA, comma):
            self._doubt = self._doubt or comma
        else:
            self._comma = self._comma or comma
        # Most numbers have no point at this place, which is checked faster than the pattern.
        has_point = pc.equal(pc.binary_slice(text.cast(pa.binary()), -4, -3), _POINT)
        lone = pc.match_substring_regex(text, _LONE) if pc.any(has_point).as_py() else None
        if not self._decimal or not self._comma:
            points = pc.count_substring(text, ".")
            others = pc.and_(plain, pc.equal(points, 1))
            others = text.filter((others if lone is None else pc.and_not(others, lone)).fill_null(False))
            self._decimal = self._decimal or (others[0].as_py() if len(others) else "")
            if not self._comma:  # several points group digits
                several = text.filter(pc.and_(plain, pc.greater(points, 1)).fill_null(False)).to_pylist()
                self._comma = next((each for each in several if number(each) is not None), "")
        if lone is not None and pc.any(lone).as_py():
            example = text.filter(lone.fill_null(False))[0].as_py()
            meaning = self._meaning()
            if meaning == "decimal" and not self._decimal and self._point == "auto" and integer is not None:
                text = pc.if_else(pc.and_(lone, integer), pa.scalar(None, text.type), text)
                lone = pc.and_not(lone, integer)
                if not pc.any(lone).as_py():
                    return text
            self._read_as.setdefault(meaning, example)
            if meaning == "group":
                text = pc.if_else(lone, pc.replace_substring(text, ".", ""), text)
                self._differences.recognize("numbers", f"{example!r} is grouped, as {self._comma!r} has a comma")
            elif meaning == "unread":
                text = pc.if_else(lone, pa.scalar(None, text.type), text)
                if self._point == "auto":
                    self._differences.add(
                        f"Numbers such as {example!r} are not read, because "
                        f"{' and '.join(repr(each) for each in (self._comma, self._decimal, self._doubt) if each)} "
                        f"occur, so the point may be a decimal point or not; {_MEANING}"
                    )
        self._check()
        return text

    def one(self, text: str) -> str | None:
        """Return a single number as it is to be read; ``None`` if it is ambiguous."""
        read: str | None = self.plain(pa.array([text]), pa.array([text.strip("0123456789.+-") == ""]), "")[0].as_py()
        return read

    def _meaning(self) -> str:
        if self._point != "auto":
            return self._point
        if self._comma:
            return "unread" if self._decimal else "group"
        return "unread" if self._doubt and not self._decimal else "decimal"

    def _check(self) -> None:
        """Raise an error if numbers were read in a way that a later one contradicts."""
        contradiction = {"decimal": self._comma, "group": self._decimal}
        for meaning, example in self._read_as.items() if self._point == "auto" else ():
            if other := contradiction.get(meaning):
                point = "decimal point" if meaning == "decimal" else "point between groups"
                raise OpenESGContractError(
                    f"Numbers such as {example!r} were read with a {point}, but {other!r} occurs later, so that is not "
                    f"certain. Nothing is written; {_MEANING}"
                )
