"""Checks of parameters, shared by operators, sensors, triggers, transfers, the hook and the core.

Operators call a check in the DAG file, and again in the task, after Jinja templates are rendered. The hook calls the
same function. Each error names the parameter, the value that was given and the values that are allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, get_args, overload

from airflow_provider_openesg.api import REPORT_STATUSES
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hints import did_you_mean

LAST_RUN: Final = "last_run"
"""Value of ``updated_after`` that continues from the rows that a task has already written to its target."""

Shape = Literal["tidy", "wide"]
"""``tidy``: one row per field value; ``wide``: one row per report and one column per field key of a template."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
"""HTTP methods of the API."""

OnInvalid = Literal["fail", "skip"]
"""``fail``: if a row is not valid, nothing is sent; ``skip``: the valid rows are sent."""

OnDuplicate = Literal["fail", "first"]
"""``fail``: if two rows have the same key, nothing is sent; ``first``: the first of them is sent."""

OnForbidden = Literal["keep", "fail"]
"""What happens if the client may not read a single record (403): ``keep`` what its list has, or ``fail``."""

SHAPES = get_args(Shape)
ON_FORBIDDEN = get_args(OnForbidden)
METHODS = get_args(Method)


def is_template(value: Any) -> bool:
    """Return whether a value is Jinja or the output of another task, so that it can be checked only in the task."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_template, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(is_template, value))
    return hasattr(value, "resolve")


def is_empty(value: Any) -> bool:
    """Return whether a value is ``None``, or text that Jinja renders for it: empty text or the text ``None``."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def check_choice(parameter: str, value: Any, allowed: Iterable[str]) -> None:
    """Check that a value is one of ``allowed``.

    :raises OpenESGConfigError: if it is not; the message names the closest allowed value.
    """
    names = list(allowed)
    if value not in names:
        listed = ", ".join(names) or "none"
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: {listed}.{did_you_mean(value, names)}")


def check_boolean(parameter: str, value: Any) -> None:
    """Check that a value is ``True`` or ``False``.

    :raises OpenESGConfigError: if it is anything else, such as the text ``"True"``.
    """
    if not isinstance(value, bool):
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: True or False.")


def check_names(parameter: str, values: Any, allowed: Iterable[str]) -> None:
    """Check that a value is a list of names from ``allowed``.

    :raises OpenESGConfigError: if it is not a list, if it is empty, or if a name is not allowed.
    """
    check_list(parameter, values)
    names = list(allowed)
    for value in values:
        check_choice(parameter, value, names)


def check_list(parameter: str, values: Any) -> None:
    """Check that a value is a list of texts and whole numbers, and not empty.

    :raises OpenESGConfigError: if it is anything else, such as a single text.
    """
    if not isinstance(values, list | tuple | set):
        hint = f" Write [{values!r}]." if isinstance(values, str | int) else ""
        raise OpenESGConfigError(f"{parameter}: {values!r:.100} given; allowed: a list.{hint}")
    if not values:
        raise OpenESGConfigError(f"{parameter}: an empty list given; allowed: at least one item.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise OpenESGConfigError(f"{parameter}: {value!r:.100} in the list; allowed: texts and numbers.")


def check_statuses(statuses: Any) -> None:
    """Check that a value is a list of statuses.

    A platform may have statuses that this package does not know, so only likely misspellings are errors.

    :raises OpenESGConfigError: if it is not a list, or if a status is not known but close to a known one.
    """
    check_list("statuses", statuses)
    for status in set(statuses).difference(REPORT_STATUSES):
        hint = did_you_mean(str(status).lower(), REPORT_STATUSES, cutoff=0.85)
        if hint:
            raise OpenESGConfigError(f"statuses: {status!r:.100} given; known: {', '.join(REPORT_STATUSES)}.{hint}")


def check_poke_interval(seconds: Any, *, shortest: float = 1) -> None:
    """Check the number of seconds between two polls.

    :param shortest: smallest number that is allowed.
    :raises OpenESGConfigError: if it is not a number, or is less than ``shortest``.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not shortest <= seconds < math.inf:
        raise OpenESGConfigError(f"poke_interval: {seconds!r:.100} given; allowed: seconds, from {shortest}.")


def read_deadline(deadline: Any) -> datetime:
    """Return the end of a wait from text in ISO 8601 with time zone.

    :raises OpenESGConfigError: if the value is anything else.
    """
    with suppress(TypeError, ValueError):
        read = datetime.fromisoformat(deadline)
        if read.tzinfo is not None:
            return read
    raise OpenESGConfigError(
        f"deadline: {deadline!r:.100} given; allowed: a time in ISO 8601 with time zone, such as 2026-01-31T00:00:00Z."
    )


def check_shape(shape: Any, *, tables: Any = None) -> None:
    """Check ``shape``, also together with ``tables``: the tables of ``wide`` come from the template.

    :raises OpenESGConfigError: if the shape is not known, or if ``tables`` is given with ``wide``.
    """
    check_choice("shape", shape, SHAPES)
    if shape == "wide" and tables is not None:
        raise OpenESGConfigError(
            "tables: given with shape='wide', which makes the tables from the template. Leave it out."
        )


def check_templates(templates: Any, *, shape: str = "tidy") -> list[str] | None:
    """Return ids or keys of report templates as text; ``None`` means all templates.

    :raises OpenESGConfigError: if it is not a list, if it is empty, or if it is not one template with ``shape="wide"``.
    """
    if shape == "wide" and (not isinstance(templates, list | tuple | set) or len(templates) != 1):
        raise OpenESGConfigError(
            f"templates: {templates!r:.100} given; with shape='wide', name exactly one, such as ['vsme']: its field"
            " keys become columns. Use one task per template."
        )
    if templates is None:
        return None
    check_list("templates", templates)
    return [str(each).strip() for each in templates]


@overload
def read_updated_after(value: Any) -> datetime | None: ...


@overload
def read_updated_after(value: Any, *, last_run: Literal[True]) -> datetime | Literal["last_run"] | None: ...


def read_updated_after(value: Any, *, last_run: bool = False) -> datetime | Literal["last_run"] | None:
    """Return a time in UTC from a ``datetime``, a ``date`` or text in ISO 8601; the default time zone is UTC.

    ``None`` and text that Jinja renders for it (see :func:`is_empty`) mean no limit.

    :param last_run: whether :data:`LAST_RUN` is allowed; it is returned unchanged.
    :raises OpenESGConfigError: if the value is anything else.
    """
    if is_empty(value):
        return None
    if last_run and value == LAST_RUN:
        return LAST_RUN
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        # Airflow passes pendulum objects; the core needs the plain class.
        read = datetime.fromisoformat(value.isoformat() if isinstance(value, datetime) else value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (AttributeError, OverflowError, TypeError, ValueError):
        also = f", or {LAST_RUN!r}" if last_run else ""
        raise OpenESGConfigError(
            f"updated_after: {value!r:.100} given; allowed: a time in ISO 8601, such as 2026-01-31T00:00:00Z{also}."
        ) from None


def check_id(parameter: str, value: Any) -> str:
    """Return an id of the platform as text.

    :raises OpenESGConfigError: if it is empty (Jinja may have rendered nothing), or not text or a whole number.
    """
    if is_empty(value):
        raise OpenESGConfigError(
            f"{parameter}: {value!r:.100} given; allowed: an id. Check whether a Jinja template rendered nothing."
        )
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: an id, as text or a whole number.")
    return str(value).strip()


def check_record_id(parameter: str, value: Any) -> str:
    """Return the id of a record, which becomes a part of a path, as text.

    :raises OpenESGConfigError: if it is not an id, or consists of points, which would lead to another path.
    """
    text = check_id(parameter, value)
    if not text.strip("."):
        raise OpenESGConfigError(f"{parameter}: {value!r:.100} given; allowed: an id, as the platform shows it.")
    return text


def require_one(given: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """Return the name of the only parameter of ``allowed`` that is not ``None``.

    :raises OpenESGConfigError: if none or several are given.
    """
    names = [name for name in allowed if given.get(name) is not None]
    if len(names) != 1:
        raise OpenESGConfigError(
            f"{' and '.join(names) or 'nothing'} given; allowed: exactly one of {', '.join(allowed)}."
        )
    return names[0]


def check_storage_path(path: Any) -> None:
    """Check the path of a file or folder.

    :raises OpenESGConfigError: if it is empty.
    """
    if is_empty(path):
        raise OpenESGConfigError(f"path: {path!r} given; allowed: a folder, or a URL such as s3://bucket/esg.")


def check_keep_runs(keep_runs: Any, *, commit: bool = True) -> None:
    """Check the number of runs that are kept.

    :param commit: whether the task commits a run.
    :raises OpenESGConfigError: if it is not a whole number from 1, or if it is given to a task that does not commit.
    """
    if keep_runs is None:
        return
    if isinstance(keep_runs, bool) or not isinstance(keep_runs, int) or keep_runs < 1:
        raise OpenESGConfigError(
            f"keep_runs: {keep_runs!r:.100} given; allowed: a whole number from 1, or None for all."
        )
    if not commit:
        raise OpenESGConfigError("keep_runs: given with commit=False. Give it to OpenESGCommitRunOperator.")


def check_schema(schema: Any) -> None:
    """Check the name of a schema of a database.

    :raises OpenESGConfigError: if it is not text, or has the name of the database in front.
    """
    if schema is not None and (not isinstance(schema, str) or "." in schema):
        raise OpenESGConfigError(
            f"schema: {schema!r:.100} given; allowed: the name of a schema only (the database is the Connection's), or"
            " None for the database's default schema."
        )


def check_api_path(path: Any) -> None:
    """Check the path of a request.

    :raises OpenESGConfigError: if it is empty or not text.
    """
    if not isinstance(path, str) or is_empty(path):
        raise OpenESGConfigError(f"path: {path!r:.100} given; allowed: a path below the API path, such as reports/17.")


def check_request_options(
    template: Any, on_invalid: Any, on_duplicate: Any, dry_run: Any, *, retried: Any = False
) -> None:
    """Check the options of a list of report requests.

    :raises OpenESGConfigError: if one of them is not allowed.
    """
    if not is_template(template) and not is_empty(template):
        check_id("template", template)
    check_boolean("retried", retried)
    check_choice("on_invalid", on_invalid, get_args(OnInvalid))
    check_choice("on_duplicate", on_duplicate, get_args(OnDuplicate))
    check_boolean("dry_run", dry_run)


def check_request_rows(rows: Any) -> None:
    """Check that a value is a list of rows, or rows by their number. The rows themselves are checked later.

    :raises OpenESGConfigError: if it is text, a single row, or not iterable.
    """
    is_row = isinstance(rows, Mapping) and not all(isinstance(number, int) for number in rows)
    if is_row or isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        given = "a single dict" if is_row else f"{rows!r:.100}"  # a row has personal data
        raise OpenESGConfigError(
            f"requests: {given} given; allowed: a list of dicts. The operator also takes the path of a CSV file, or a"
            " query with sql_conn_id."
        )


def check_field_values(field_values: Any) -> None:
    """Check that a value is a dict, or a list of dicts. The entries themselves are checked later.

    :raises OpenESGConfigError: if it is anything else; text is what Jinja renders for the output of another task.
    """
    if isinstance(field_values, str | bytes) or not isinstance(field_values, Iterable):
        hint = (
            " Pass the output of the other task itself (field_values=other_task.output), or set"
            " render_template_as_native_obj in the DAG."
            if isinstance(field_values, str)
            else ""
        )
        raise OpenESGConfigError(
            f"field_values: {field_values!r:.100} given; allowed: a dict of values by field key, or a list of dicts"
            f" with field_key and value.{hint}"
        )
