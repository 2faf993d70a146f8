"""Paths in object storage, on Airflow 2 and 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath


def object_storage_path(path: str, conn_id: str | None) -> ObjectStoragePath:
    """Return a path with its Connection.

    :param conn_id: ``None``: the one that the path names, such as ``s3://conn@bucket/key``.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    # Airflow 2 would take None in place of the Connection that the path names.
    return ObjectStoragePath(path, **({"conn_id": conn_id} if conn_id else {}))
