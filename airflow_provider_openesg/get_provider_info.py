"""The provider's manifest. Airflow reads it at every start, so it must not import Airflow."""

from __future__ import annotations

from typing import Any

from airflow_provider_openesg import __version__
from airflow_provider_openesg.settings import DEFAULT_BASE_URL, FIELDS, ConnectionField

CONNECTION_TYPE = "openesg"
HOOK_CLASS = "airflow_provider_openesg.hooks.openesg.OpenESGHook"
HOOK_NAME = "openESG"

# The standard fields of the form. Airflow 3 reads them here, Airflow 2 from hooks/connection_form.py.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "port"],
    "relabeling": {"host": "Base URL", "login": "Client ID", "password": "Client secret"},
    "placeholders": {
        "host": DEFAULT_BASE_URL,
        "login": "client ID of your openESG application",
        "password": "client secret of your openESG application",
        **{name: field.placeholder for name, field in FIELDS.items() if field.placeholder},
    },
}

_ASSETS = "airflow_provider_openesg.assets.openesg"
ASSET_URIS: dict[str, Any] = {
    "schemes": ["openesg"],
    "handler": f"{_ASSETS}.sanitize_uri",
    "factory": f"{_ASSETS}.create_asset",
    "to_openlineage_converter": f"{_ASSETS}.convert_asset_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata of the provider, for ``airflow providers`` and the Connection form."""
    return {
        "package-name": "airflow-provider-openesg",
        "name": "openESG",
        "description": "ESG reports from the `openESG <https://openesg.de>`__ platform: request, await and load them.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "openESG",
                "external-doc-url": "https://app.openesg.de/api/v1/docs",
                "tags": ["service"],
            }
        ],
        "hooks": [_modules("hooks.openesg")],
        "operators": [_modules("operators.openesg")],
        "sensors": [_modules("sensors.openesg")],
        "triggers": [_modules("triggers.openesg")],
        "transfers": [
            _transfer("Common IO", "openesg_to_object_storage"),
            _transfer("Common SQL", "openesg_to_sql"),
        ],
        # Airflow 2 calls assets datasets.
        "asset-uris": [ASSET_URIS],
        "dataset-uris": [ASSET_URIS],
        "extra-links": ["airflow_provider_openesg.links.openesg.OpenESGReportLink"],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": HOOK_CLASS,
                "hook-name": HOOK_NAME,
                "conn-fields": {name: _form_field(field) for name, field in FIELDS.items()},
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
            }
        ],
        # Commands of Airflow 3.2 and later; earlier versions ignore the entry.
        "cli": ["airflow_provider_openesg.cli.get_commands"],
        "config": {
            "openesg": {
                "description": "The openESG provider: cache of access tokens, differences of the platform.",
                "options": {
                    "credential_cache": {
                        "description": (
                            "Cache of access tokens until they expire: ``disk`` (encrypted, shared by all tasks of "
                            "this user on this machine: one token request per hour), ``memory`` (one cache per "
                            "process) or ``off`` (a token request for each session)."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "memory",
                        "default": "disk",
                    },
                    "credential_cache_dir": {
                        "description": (
                            "Directory of the disk cache. It must belong to the user that runs the tasks and have "
                            "mode 0700. It is created if it does not exist. Empty: a directory in the user's "
                            "runtime directory or in the temporary directory."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/var/lib/airflow/openesg",
                        "default": "",
                    },
                    "api": {
                        "description": (
                            "What differs on your platform from the API that is assumed, for Connections without "
                            "``api`` in their extra: TOML or JSON, or the path or URL of a file with it. The file must "
                            "be readable on all workers and the triggerer. Empty: nothing differs."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/etc/airflow/openesg-api.toml",
                        "default": "",
                    },
                },
            }
        },
    }


def _form_field(field: ConnectionField) -> dict[str, Any]:
    # Without "null" in the type, the form requires a value.
    schema: dict[str, Any] = {"type": [field.type, "null"]}
    if field.default is not None:
        schema["default"] = field.default
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.multiline:
        schema["format"] = "multiline"
    return {"label": field.label, "description": field.description, "schema": schema}


def _modules(module: str) -> dict[str, Any]:
    return {"integration-name": "openESG", "python-modules": [f"airflow_provider_openesg.{module}"]}


def _transfer(target: str, module: str) -> dict[str, str]:
    return {
        "source-integration-name": "openESG",
        "target-integration-name": target,
        "python-module": f"airflow_provider_openesg.transfers.{module}",
    }
