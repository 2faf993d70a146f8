"""Compare a platform with what is assumed of it, or written down. It only sends GET requests."""

from __future__ import annotations

from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg import clock
from airflow_provider_openesg.check import filters, lists, names, words, write
from airflow_provider_openesg.check.context import Read
from airflow_provider_openesg.check.openapi import OpenApi
from airflow_provider_openesg.check.result import AS_ASSUMED, RECOGNIZED, UNKNOWN, WRITE, CheckResult, Line
from airflow_provider_openesg.check.source import api_path, fetch_schema
from airflow_provider_openesg.client.samples import read_samples, reason, without_values
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_openesg.client.samples import SamplingClient

PAGES = 2
"""Pages of two rows that are read of each list, to recognize how it is paged."""

MORE_ROWS = {"reports": (50,), "report-requests": (200, 50)}
"""Rows of the lists with a status that are read at once, for its words; fewer, if the platform refuses so many. Rows of
reports may have all their values."""

MAX_CLOCK_SECONDS = 60


def run_check(client: SamplingClient, schema: Mapping[str, Any] | None = None) -> CheckResult:
    """Check a platform.

    :param client: client of :func:`~airflow_provider_openesg.client.samples.sampling_client` that has read nothing.
    :param schema: its OpenAPI schema; by default, the platform is asked for it.
    """
    result = CheckResult(client.api)
    found_lists: dict[str, lists.ListRead] = {}
    try:
        result.lines += _connection(client)
        samples = read_samples(client, lambda resource: _rows(client, resource, found_lists))
    except OpenESGError as error:
        result.unusable = str(error)
        result.temporary = _is_temporary(error)
        return result
    if passing := [topic for topic, error in samples.errors.items() if _is_temporary(error)]:
        result.unusable = "; ".join(f"{topic}: {reason(samples.errors[topic])}" for topic in passing) + ". Try again."
        result.temporary = True
        return result
    wanted = ("report-templates", "reports", "report-requests")
    if not any(resource in samples.rows for resource in wanted):
        reasons = {resource: reason(samples.errors[resource]) for resource in wanted}
        advice = "Scope" if {*reasons.values()} == {"HTTP 403"} else "Base URL and API path"
        shown = "; ".join(f"{resource}: {why}" for resource, why in reasons.items())
        result.unusable = f"no list can be read ({shown}). Check {advice} of the Connection."
    found = (OpenApi(schema, api_path(client)), "the given file") if schema is not None else fetch_schema(client)
    if found is None:
        result.lines.append(Line("schema", UNKNOWN, "the platform shows no OpenAPI schema. A file can be given."))
    else:
        result.lines.append(Line("schema", AS_ASSUMED, f"OpenAPI {found[0].version}: {found[1]}."))
    if result.unusable:
        return result
    read = Read(client, samples, found[0] if found else None)
    result.lines += lists.lines(read, found_lists)
    of_names = list(names.lines(read))
    result.lines += of_names
    result.lines += words.lines(read)
    proposed = {each.keys[1:]: each.value for line in of_names for each in line.proposals if each.is_complete}
    result.lines += filters.lines(read, proposed)
    result.lines += write.lines(read)
    result.lines += _others(read)
    return result


def _is_temporary(error: OpenESGError) -> bool:
    return isinstance(error, OpenESGApiError) and error.is_temporary


def _connection(client: SamplingClient) -> Iterator[Line]:
    """Yield the lines of token, TLS, clock and scope."""
    settings = client.settings
    client.session.fetch_token()
    seconds = client.session.token["expires_at"] - clock.now()
    yield Line("token", AS_ASSUMED, f"issued; valid for {seconds / 60:.0f} minutes.")
    if not settings.base_url.startswith("https:"):
        yield Line("tls", UNKNOWN, "not used (loopback).")
    elif settings.verify is False:
        yield Line("tls", RECOGNIZED, "the certificate is not verified (Verify TLS is off).")
    else:
        yield Line("tls", AS_ASSUMED, "the certificate is trusted.")
    path = client.api.path("report-templates")
    response = client.session.get(path, params={client.api.paging.limit: "1"})
    yield _clock(response.headers.get("Date"))
    forbidden = response.status_code == 403
    scope = "as in the Connection" if settings.scope else "the platform's own"
    why = ", but the list of report templates is forbidden (HTTP 403). Set Scope in the Connection"
    text = f"{scope}{why if forbidden else ''}."
    yield Line("scope", WRITE if forbidden else AS_ASSUMED, text)


def _clock(date: str | None) -> Line:
    try:
        seconds = parsedate_to_datetime(date or "").timestamp() - clock.now()
    except ValueError:
        return Line("clock", UNKNOWN, "the platform sends no time.")
    if abs(seconds) <= MAX_CLOCK_SECONDS:
        return Line("clock", AS_ASSUMED, f"it differs by less than {MAX_CLOCK_SECONDS} s.")
    text = (
        f"the platform's clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}; tokens may expire early."
    )
    return Line("clock", RECOGNIZED, text)


def _rows(client: SamplingClient, resource: str, found: dict[str, lists.ListRead]) -> list[dict[str, Any]]:
    """Return the rows of the first pages of a list, and more of a list with a status."""
    with closing(client.iter_pages(resource)) as pages:
        read = list(islice(pages, PAGES))
    rows = [row for page in read for row in page]
    for number in MORE_ROWS.get(resource, ()):
        with suppress(OpenESGError):  # the platform may allow smaller pages only
            rows += client.first_page(resource, number).rows
            break
    style = str(client.style(resource))
    recognized = tuple(each for each in client.differences.recognized.get(resource, ()) if each != style)
    found[resource] = lists.ListRead(tuple(map(len, read)), recognized)
    return list({row["id"]: row for row in rows}.values())


def _others(read: Read) -> Iterator[Line]:
    """Yield the lines of what no other line has."""
    point = read.api.values.point
    written = point != "auto"
    text = f"{point} is written down." if written else "decided by the numbers of each pull."
    yield Line("values.point", AS_ASSUMED if written else UNKNOWN, text)
    yield Line("pages", UNKNOWN, "pages of the web UI are not requested.")
    if read.client.forbidden:
        number = len(read.client.forbidden)
        yield Line("forbidden", RECOGNIZED, f"{number} records are in a list, but may not be read (HTTP 403).")
    for text in read.client.differences.texts:
        # Unknown words and fields have their lines.
        if "[words." not in text:
            yield Line("differences", WRITE, without_values(text))
