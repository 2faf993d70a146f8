"""The *Test* button of a Connection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.exceptions import OpenESGError, OpenESGNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_openesg.settings import OpenESGSettings

MAX_TIMEOUT = 10
MAX_RETRY_TIME = 3
"""Seconds. A user and a thread of Airflow's API server wait for the result."""


def check_connection(settings: OpenESGSettings, on_token: Callable[[str], None] | None = None) -> tuple[bool, str]:
    """Fetch a token and send one authorized request.

    The token is always new and is not cached, so that a revoked client does not pass with an old token.

    :return: whether it worked, and a message without secrets.
    """
    quick = replace(
        settings,
        timeout=min(settings.timeout, MAX_TIMEOUT),
        max_retry_time=min(settings.max_retry_time, MAX_RETRY_TIME),
    )
    with OpenESGClient(quick, cache=open_cache("off"), on_token=on_token) as client:
        try:
            page = client.first_page("report-templates", 1)
        except OpenESGNotFoundError as error:
            return (
                False,
                f"The token was issued, but this is not the openESG API: {error}. Check Base URL and API path.",
            )
        except OpenESGError as error:
            return False, str(error)
        seconds = client.session.token["expires_at"] - clock.now()
    life = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    scope = f"scope {settings.scope}" if settings.scope else "the platform's own scope"
    visible = "" if page.count is None else f" This client sees {page.count} report template{'s' * (page.count != 1)}."
    return True, (
        f"Connected to {settings.base_url} as {settings.client_id}: the token is valid for {life} ({scope}).{visible}"
    )
