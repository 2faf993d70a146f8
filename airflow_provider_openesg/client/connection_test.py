"""The *Test* button of a Connection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.samples import missing_fields, read_samples, sampling_client
from airflow_provider_openesg.exceptions import OpenESGError, OpenESGNotFoundError
from airflow_provider_openesg.records import KEY_FIELDS, RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.client.samples import Record, Samples
    from airflow_provider_openesg.settings import OpenESGSettings

MAX_TIMEOUT = 10
MAX_RETRY_TIME = 3
"""Seconds. A user and a thread of Airflow's API server wait for the result."""

LONGEST = 500
"""Longest reasons in the message, in characters."""

MOST_SHOWN = 2


def check_connection(settings: OpenESGSettings, on_token: Callable[[str], None] | None = None) -> tuple[bool, str]:
    """Fetch a token, and read one row of each list, one report and the sections of one template.

    The token is always new and is not cached, so that a revoked client does not pass with an old token.

    :return: whether all of it was understood, and a message without secrets.
    """
    quick = replace(
        settings,
        timeout=min(settings.timeout, MAX_TIMEOUT),
        max_retry_time=min(settings.max_retry_time, MAX_RETRY_TIME),
    )
    counts: dict[str, int | None] = {}
    with sampling_client(quick, cache=open_cache("off"), on_token=on_token) as client:

        def first_row(resource: str) -> list[Record]:
            page = client.first_page(resource, 1)
            counts[resource] = page.count
            return page.rows[:1]

        try:
            samples = read_samples(client, first_row, quick=True)
        except OpenESGError as error:
            return False, str(error)
        if why := _unreadable(samples):
            return False, why
        differs = _differences(client)
        seconds = client.session.token["expires_at"] - clock.now()
    life = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    scope = f"scope {settings.scope}" if settings.scope else "the platform's own scope"
    count = counts["report-templates"]
    visible = "" if count is None else f" This client sees {count} report template{'s' * (count != 1)}."
    return True, (
        f"Connected to {settings.base_url} as {settings.client_id}: the token is valid for {life} ({scope}).{visible}"
        f"{differs}"
    )


def _unreadable(samples: Samples) -> str:
    """Return what could not be read, and why; an empty text if nothing is missing."""
    errors = dict(samples.errors)
    if isinstance(errors.get("organizations"), OpenESGNotFoundError):
        del errors["organizations"]  # they are read from other records
    if not errors:
        return ""
    first = next(iter(errors.values()))
    if not samples.rows and isinstance(first, OpenESGNotFoundError):
        return f"The token was issued, but this is not the openESG API: {first}. Check Base URL and API path."
    some = list(errors.items())[:MOST_SHOWN]
    shown = "; ".join(f"{topic}: {str(error)[: LONGEST // len(some)]}" for topic, error in some)
    other = isinstance(first, OpenESGNotFoundError)
    advice = ". If it has another path, write it into API differences: [paths]." if other else ""
    return f"The token was issued, but not all could be read: {shown}{advice}"


def _differences(client: OpenESGClient) -> str:
    """Return what must be written down."""
    found = [text.split(". ")[0] for text in client.differences.texts]
    for record, keys in KEY_FIELDS.items():
        missing, unknown = missing_fields(client.differences, client.api, record)
        names = [name for name in missing if name in keys]
        if names:
            others = f" (names that are not known: {', '.join(unknown)})" if unknown else ""
            found.append(f"{RECORDS[record].name}: no {', '.join(names)}{others}")
    if not found:
        return ""
    more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    return (
        f" Differs: {'; '.join(found[:MOST_SHOWN])}{more}. The command 'python -m airflow_provider_openesg check' "
        "proposes what to write into API differences."
    )
