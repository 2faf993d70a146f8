"""Checks of operators' parameters: early where a value stands in the DAG file, else at the start of ``execute``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from airflow_provider_openesg.api import REPORT_STATUSES, RESOURCES
from airflow_provider_openesg.exceptions import OpenESGConfigError

LAST_RUN: Final = "last_run"
"""``updated_after`` that goes on from what a task has brought to its target so far."""


def is_template(value: Any) -> bool:
    """Tell whether a value is only known when the task runs: Jinja, or the output of another task."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(is_template, value))
    return hasattr(value, "resolve")


def check_choice(parameter: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuse a value that is none of ``allowed``.

    :raises OpenESGConfigError: with the nearest one that is.
    """
    names = list(allowed)
    if value not in names:
        near = difflib.get_close_matches(str(value), names, 1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: {', '.join(names)}.{meant}")


def check_names(parameter: str, values: Any, allowed: Iterable[str]) -> None:
    """Refuse anything but a list of some of ``allowed``.

    :raises OpenESGConfigError: no list, an empty one, or a name that is not known.
    """
    check_list(parameter, values)
    names = list(allowed)
    for value in values:
        check_choice(parameter, value, names)


def check_list(parameter: str, values: Any) -> None:
    """Refuse anything but a list of texts or numbers that is not empty.

    :raises OpenESGConfigError: for anything else; a single text is the usual slip.
    """
    if not isinstance(values, list | tuple | set):
        hint = f" Write [{values!r}]." if isinstance(values, str | int) else ""
        raise OpenESGConfigError(f"{parameter}: {values!r:.100} given; allowed: a list.{hint}")
    if not values:
        raise OpenESGConfigError(f"{parameter}: an empty list given; leave it out for all, or name some.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise OpenESGConfigError(f"{parameter}: {value!r:.100} in the list; allowed: texts and numbers.")


def check_statuses(statuses: Any) -> None:
    """Refuse anything but a list of statuses; a platform may have others than we know, but hardly ones so near to them.

    :raises OpenESGConfigError: no list, or a slip of the pen, which would be waited for in vain.
    """
    check_list("statuses", statuses)
    for status in set(statuses).difference(REPORT_STATUSES):
        near = difflib.get_close_matches(str(status).lower(), REPORT_STATUSES, 1, cutoff=0.85)
        if near:
            raise OpenESGConfigError(
                f"statuses: {status!r:.100} given; known: {', '.join(REPORT_STATUSES)}. Did you mean {near[0]!r}?"
            )


def check_poke_interval(seconds: Any) -> None:
    """Refuse an interval that would be a storm of calls.

    :raises OpenESGConfigError: no number, or less than a second.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 1:
        raise OpenESGConfigError(f"poke_interval: {seconds!r:.100} given; allowed: seconds, from 1.")


def check_filters(filters: Any) -> None:
    """Refuse what reports cannot be filtered by. Values are the client's to check.

    :raises OpenESGConfigError: no mapping, or a filter that is not known.
    """
    if not isinstance(filters, Mapping):
        raise OpenESGConfigError(
            f'filters: {filters!r:.100} given; allowed: a dict like {{"customer_identifier": "4711"}}.'
        )
    for name in filters:
        check_choice("filters", name, RESOURCES["reports"].filters)


def plain_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as JSON has them: lists in the place of tuples and sets, dates as texts; always in one order."""

    def plain(value: Any) -> Any:
        return sorted(value, key=str) if isinstance(value, set) else str(value)

    return dict(json.loads(json.dumps(dict(filters), default=plain)))


def check_updated_after(value: Any) -> datetime | Literal["last_run"] | None:
    """Read :data:`LAST_RUN`, or a time in ISO 8601; without a zone it is UTC.

    ``None`` stays ``None``, and so does what Jinja makes of it.

    :raises OpenESGConfigError: for anything else.
    """
    if value in (None, "", "None"):
        return None
    if value == LAST_RUN:
        return LAST_RUN
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        # A datetime may be one of its subclasses (Airflow's are pendulum's): the plain one is what everything below
        # takes.
        read = datetime.fromisoformat(value.isoformat() if isinstance(value, datetime) else value)
    except (TypeError, ValueError):
        raise OpenESGConfigError(
            f"updated_after: {value!r:.100} given; allowed: a time in ISO 8601, such as 2026-01-31T00:00:00Z, or"
            f" {LAST_RUN!r}."
        ) from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
