"""Asset URIs of reports: ``openesg://host/report-templates/{key}/reports`` and ``openesg://host/reports``.

``key`` is the key or the id of a template. Two different URIs are two assets, also for the same template.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import Asset

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset

SCHEME = "openesg"
_PATH = re.compile(r"/reports|/report-templates/[^/]+/reports")


def create_asset(*, host: str, template: str | int | None = None, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of the reports of a template, or of all reports.

    :param host: host of the platform, with its port if it has one, such as ``app.openesg.de``; or the Base URL.
    :param template: key or id of the template; all reports by default.
    :param extra: extra of the asset.
    """
    netloc = urlsplit(host).netloc if "://" in host else host
    of_template = "" if template is None else f"/report-templates/{quote(str(template), safe='')}"
    return Asset(uri=f"{SCHEME}://{netloc}{of_template}/reports", extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check and normalize a URI. Airflow calls this for every asset of the scheme.

    :raises ValueError: if the URI has another form.
    """
    path = uri.path.rstrip("/")
    if not uri.hostname or uri.query or not _PATH.fullmatch(path):
        raise ValueError(
            f"URI {uri.geturl()!r} given; allowed: {SCHEME}://host/report-templates/KEY/reports or "
            f"{SCHEME}://host/reports. The host is that of your platform, such as app.openesg.de."
        )
    return uri._replace(netloc=uri.netloc.lower(), path=path)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001 - Airflow's signature
    """Return the OpenLineage dataset of an asset."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{parts.netloc}", name=parts.path.lstrip("/"))
