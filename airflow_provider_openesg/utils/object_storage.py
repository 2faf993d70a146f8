"""Paths on local disk and in object stores, on Airflow 2 and 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.parameters import check_storage_path, is_empty

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_PROVIDERS = {
    **dict.fromkeys(("s3", "s3a"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


def object_storage_path(path: str, conn_id: str | None) -> ObjectStoragePath:
    """Return a path with its Connection.

    :param path: local path or URL.
    :param conn_id: id of the Connection; by default the one in the path, as in ``s3://conn@bucket/key``, if any.
    :raises OpenESGConfigError: if the path is empty, the Connection does not exist, or the provider of the object store
        is not installed.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, ObjectStoragePath

    from airflow_provider_openesg.lake.storage import connection_of

    check_storage_path(path)
    text = str(path).strip()
    conn_id = None if is_empty(conn_id) else conn_id
    try:
        # In Airflow 2, conn_id=None would replace the Connection in the path.
        opened = ObjectStoragePath(text, **({"conn_id": conn_id} if conn_id else {}))
        if connection := connection_of(opened):
            # Amazon's provider ignores a missing Connection and would continue without credentials.
            BaseHook.get_connection(connection)
        opened.fs  # noqa: B018 - looks up the provider
    except AirflowNotFoundException as error:
        raise OpenESGConfigError(
            f"path {text!r}: its Connection does not exist ({error}). Create the Connection, or correct its id in"
            " object_storage_conn_id or before the @ of the path."
        ) from error
    except (ValueError, ImportError) as error:
        scheme = text.partition("://")[0] if "://" in text else "file"
        provider = _PROVIDERS.get(scheme)
        hint = (
            f"For {scheme}://, install {provider}" if provider else f"Allowed: a local path, or {', '.join(_PROVIDERS)}"
        )
        connection = f" (Connection {conn_id!r})" if conn_id else ""
        raise OpenESGConfigError(f"path {text!r}{connection}: cannot be opened ({error}). {hint}.") from error
    return opened
