"""Every check of a parameter, for operators, sensors, triggers, transfers, the hook and the core alike.

A check is called early where the value is written in the DAG file, and again when the task runs, after templates are
rendered. Each error names the parameter, what was given and what is allowed. No Airflow import.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, overload

from airflow_provider_openesg.api import LIMIT, OFFSET, REPORT_STATUSES, RESOURCES
from airflow_provider_openesg.exceptions import OpenESGConfigError

LAST_RUN: Final = "last_run"
"""Value of ``updated_after`` that continues from what a task has already written to its target."""

SHAPES = ("tidy", "wide")
"""``tidy``: one row per field value; ``wide``: one row per report and one column per field key of a template."""


def is_template(value: Any) -> bool:
    """Return whether a value is known only when the task runs: Jinja, or the output of another task."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(is_template, value))
    return hasattr(value, "resolve")


def is_empty(value: Any) -> bool:
    """Return whether a value is ``None`` or what Jinja renders from it: empty text or the text ``None``."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def did_you_mean(given: Any, allowed: Iterable[Any], *, cutoff: float = 0.6) -> str:
    """Return a sentence that names the closest allowed value, with a space before it; empty if none is close."""
    near = difflib.get_close_matches(str(given), [str(each) for each in allowed], 1, cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_choice(parameter: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuse a value that is not one of ``allowed``.

    :raises OpenESGConfigError: with the closest allowed value.
    """
    names = list(allowed)
    if value not in names:
        listed = ", ".join(names) or "none"
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: {listed}.{did_you_mean(value, names)}")


def check_boolean(parameter: str, value: Any) -> None:
    """Refuse anything but ``True`` and ``False``.

    :raises OpenESGConfigError: for anything else, text included.
    """
    if not isinstance(value, bool):
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: True or False.")


def check_names(parameter: str, values: Any, allowed: Iterable[str]) -> None:
    """Refuse anything but a list of some of ``allowed``.

    :raises OpenESGConfigError: not a list, an empty list, or a name that is not known.
    """
    check_list(parameter, values)
    names = list(allowed)
    for value in values:
        check_choice(parameter, value, names)


def check_list(parameter: str, values: Any) -> None:
    """Refuse anything but a list of texts or numbers that is not empty.

    :raises OpenESGConfigError: for anything else; a single text is the usual mistake.
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
    """Refuse anything but a list of statuses. A platform may have other statuses than we know, but not misspelled ones.

    :raises OpenESGConfigError: not a list, or a status that is close to a known one and would never be reached.
    """
    check_list("statuses", statuses)
    for status in set(statuses).difference(REPORT_STATUSES):
        hint = did_you_mean(str(status).lower(), REPORT_STATUSES, cutoff=0.85)
        if hint:
            raise OpenESGConfigError(f"statuses: {status!r:.100} given; known: {', '.join(REPORT_STATUSES)}.{hint}")


def check_poke_interval(seconds: Any) -> None:
    """Refuse an interval that would send too many calls.

    :raises OpenESGConfigError: not a number, or less than a second.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 1:
        raise OpenESGConfigError(f"poke_interval: {seconds!r:.100} given; allowed: seconds, from 1.")


def check_filters(filters: Any, resources: Iterable[str] = ("reports",)) -> None:
    """Refuse filters that none of the resources' lists takes, and values that cannot be sent.

    :param resources: names of :data:`~airflow_provider_openesg.api.RESOURCES`.
    :raises OpenESGConfigError: not a dict, a filter that is not known, or a value that is empty or cannot be sent.
    """
    if not isinstance(filters, Mapping):
        raise OpenESGConfigError(
            f'filters: {filters!r:.100} given; allowed: a dict such as {{"customer_identifier": "4711"}}.'
        )
    known = {name: None for resource in resources for name in RESOURCES[resource].filters}
    for name, value in filters.items():
        if name in (LIMIT, OFFSET):
            raise OpenESGConfigError(f"filters: {name!r} given; all pages are read. See Page size of the Connection.")
        check_choice("filters", name, known)
        if not is_template(value):
            filter_texts(name, value)


def filter_texts(name: str, value: Any) -> list[str]:
    """Return the texts that a filter sends: one, or one for each item of a list.

    An empty value is refused: sent or left out, it would select other rows than were meant.

    :raises OpenESGConfigError: an empty list or text, or a value of another type.
    """
    values = list(value) if isinstance(value, list | tuple | set) else [value]
    if not values:
        raise OpenESGConfigError(f"filters: {name}: an empty list given; leave the filter out or give a value.")
    return [_filter_text(name, each) for each in values]


def _filter_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or is_empty(value):
        raise OpenESGConfigError(
            f"filters: {name}: {value!r:.100} given; allowed: text, numbers, true or false, dates, or a list of these."
        )
    return value


def plain_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as JSON has them: lists instead of tuples and sets, dates as text, sets in a fixed order."""

    def plain(value: Any) -> Any:
        return sorted(value, key=str) if isinstance(value, set) else str(value)

    return dict(json.loads(json.dumps(dict(filters), default=plain)))


def check_shape(shape: Any, *, tables: Any = None) -> None:
    """Refuse a shape that is not known, and ``tables`` together with ``wide``, whose tables come from the template.

    :raises OpenESGConfigError: for both.
    """
    check_choice("shape", shape, SHAPES)
    if shape == "wide" and tables is not None:
        raise OpenESGConfigError(
            "tables: given with shape='wide', which makes the tables from the template. Leave it out."
        )


def check_templates(templates: Any, *, shape: str = "tidy") -> list[str] | None:
    """Return ids or keys of report templates as text; ``None`` means all templates.

    :raises OpenESGConfigError: not a list, an empty list, or with ``shape="wide"`` not exactly one template.
    """
    if shape == "wide" and (not isinstance(templates, list | tuple | set) or len(templates) != 1):
        raise OpenESGConfigError(
            f"templates: {templates!r:.100} given; with shape='wide', name exactly one, such as ['vsme']: its field"
            " keys become columns. Use one task per template."
        )
    if templates is None:
        return None
    check_list("templates", templates)
    return [str(each) for each in templates]


@overload
def read_updated_after(value: Any) -> datetime | None: ...


@overload
def read_updated_after(value: Any, *, last_run: Literal[True]) -> datetime | Literal["last_run"] | None: ...


def read_updated_after(value: Any, *, last_run: bool = False) -> datetime | Literal["last_run"] | None:
    """Return a moment in UTC from a ``datetime``, a ``date`` or text in ISO 8601; without a time zone it is UTC.

    ``None`` and what Jinja renders from it (empty text, ``None``) mean no limit.

    :param last_run: whether :data:`LAST_RUN` is allowed; it is returned as it is.
    :raises OpenESGConfigError: for anything else.
    """
    if is_empty(value):
        return None
    if last_run and value == LAST_RUN:
        return LAST_RUN
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        # A datetime may be of a subclass (Airflow uses pendulum); the plain class is what the core expects.
        read = datetime.fromisoformat(value.isoformat() if isinstance(value, datetime) else value.strip())
    except (AttributeError, TypeError, ValueError):
        also = f", or {LAST_RUN!r}" if last_run else ""
        raise OpenESGConfigError(
            f"updated_after: {value!r:.100} given; allowed: a time in ISO 8601, such as 2026-01-31T00:00:00Z{also}."
        ) from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def check_id(parameter: str, value: Any) -> str:
    """Return an id of the platform as text.

    :raises OpenESGConfigError: empty, which is what a template renders that found nothing, or not text or a number.
    """
    if is_empty(value):
        raise OpenESGConfigError(
            f"{parameter}: {value!r:.100} given; allowed: an id. A template may have found nothing."
        )
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: an id, as text or a number.")
    return str(value).strip()


def require_one(given: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """Return the name of the only parameter of ``allowed`` that is not ``None``.

    :raises OpenESGConfigError: none or several are given.
    """
    names = [name for name in allowed if given.get(name) is not None]
    if len(names) != 1:
        raise OpenESGConfigError(
            f"{' and '.join(names) or 'nothing'} given; allowed: exactly one of {', '.join(allowed)}."
        )
    return names[0]
