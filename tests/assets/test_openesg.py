from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_openesg.assets.openesg import convert_asset_to_openlineage, create_asset, sanitize_uri

VSME = "openesg://app.openesg.de/report-templates/vsme/reports"


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        ({"host": "app.openesg.de", "template": "vsme"}, VSME),
        ({"host": "https://app.openesg.de", "template": 17}, VSME.replace("vsme", "17")),
        ({"host": "http://127.0.0.1:8085"}, "openesg://127.0.0.1:8085/reports"),
        ({"host": "app.openesg.de", "template": "a/b"}, VSME.replace("vsme", "a%2Fb")),
    ],
)
def test_create_asset(arguments, uri):
    assert create_asset(**arguments).uri == uri
    assert create_asset(**arguments, extra={"a": 1}).extra == {"a": 1}


@pytest.mark.parametrize("uri", [VSME, VSME + "/", VSME.replace("app", "APP"), "openesg://h/reports"])
def test_uris_are_normalized(uri):
    assert sanitize_uri(urlsplit(uri)).geturl() == Asset(uri=uri).uri == uri.rstrip("/").lower()


@pytest.mark.parametrize(
    "uri",
    [
        "openesg:///report-templates/vsme/reports",
        "openesg://host",
        "openesg://host/report-templates/vsme",
        "openesg://host/report-templates//reports",
        "openesg://host/report-templates/vsme/sections",
        "openesg://host/reports?status=submitted",
    ],
)
def test_invalid_uri_is_an_error(uri):
    with pytest.raises(ValueError, match="allowed: openesg://host/report-templates/KEY/reports"):
        sanitize_uri(urlsplit(uri))


def test_openlineage_name_of_an_asset():
    dataset = convert_asset_to_openlineage(Asset(uri=VSME), None)
    assert (dataset.namespace, dataset.name) == ("openesg://app.openesg.de", "report-templates/vsme/reports")


def test_airflow_finds_the_asset_functions():
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
    except ImportError:
        from airflow.providers_manager import ProvidersManager as Manager
    manager = Manager()
    name = "asset" if hasattr(manager, "asset_factories") else "dataset"  # Airflow 2
    assert getattr(manager, f"{name}_uri_handlers")["openesg"] is sanitize_uri
    assert getattr(manager, f"{name}_factories")["openesg"] is create_asset
    converters = getattr(manager, f"{name}_to_openlineage_converters")
    assert converters["openesg"] is convert_asset_to_openlineage
