"""Asset URIs of the platform: ``openesg://host/report-templates/{key}/reports``, and ``openesg://host/reports``: all.

``key`` is a template's key or id, whichever its users write: two URIs are two assets.
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
    """Make the asset of the reports of a template; of all reports where it is None.

    :param host: of the platform, with its port where it has one, such as ``app.openesg.de``; a Base URL will do.
    """
    netloc = urlsplit(host).netloc if "://" in host else host
    of_template = "" if template is None else f"/report-templates/{quote(str(template), safe='')}"
    return Asset(uri=f"{SCHEME}://{netloc}{of_template}/reports", extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a URI and bring it into its one form; Airflow calls it for every asset of the scheme.

    :raises ValueError: it is none of the two that there are.
    """
    path = uri.path.rstrip("/")
    if not uri.hostname or uri.query or not _PATH.fullmatch(path):
        raise ValueError(
            f"URI {uri.geturl()!r}: allowed are {SCHEME}://host/report-templates/KEY/reports and "
            f"{SCHEME}://host/reports, the host being that of your platform, such as app.openesg.de."
        )
    return uri._replace(netloc=uri.netloc.lower(), path=path)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001 - Airflow's signature
    """Name the asset as OpenLineage does: the platform, and what it has."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{parts.netloc}", name=parts.path.lstrip("/"))
