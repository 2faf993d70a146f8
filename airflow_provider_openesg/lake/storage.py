"""A folder on local disk or in an object store. Files in it appear only when they are complete."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"})
"""Schemes of stores where an object appears only when it is complete, and where renaming means copying."""

UNFINISHED = ".unfinished"
"""Name suffix of a file that is being written, on file systems where incomplete files are visible."""

BLOCK_BYTES = 8 * 1024 * 1024
"""Bytes of an open file that are buffered before they are sent to an object store; S3 accepts 10,000 blocks, 80 GB."""


class Lake:
    """A folder. All paths are relative to it.

    :param path: an ``ObjectStoragePath``, or anything that :func:`fsspec.url_to_fs` accepts.
    """

    def __init__(self, path: Any) -> None:
        self.fs, self.root = filesystem_of(path)
        self._conn_id = connection_of(path)
        self._renames = OBJECT_STORES.isdisjoint(protocols(self.fs))

    def __str__(self) -> str:
        return f"{self.url()!r}" + (f" (Connection {self._conn_id!r})" if self._conn_id else "")

    def failure(self, error: Exception) -> str:
        """Return a message for a failed write. Errors of stores name neither path nor Connection."""
        return f"path {self}: cannot be written ({type(error).__name__}: {error})."

    def url(self, path: str = "") -> str:
        """Return the URL of a path."""
        return str(self.fs.unstrip_protocol(self.full(path)))

    def full(self, path: str) -> str:
        """Return a path as the file system expects it."""
        return f"{self.root}/{path}" if path else self.root

    def open(self, path: str) -> LakeFile:
        """Create a file. It appears when :meth:`LakeFile.finish` is called."""
        full = self.full(path)
        if self._renames:
            # Not for object stores: they have no folders, and s3fs would create a missing bucket.
            self.fs.makedirs(full.rpartition("/")[0], exist_ok=True)
        return LakeFile(self.fs, full, f"{full}{UNFINISHED}" if self._renames else full)

    def put(self, path: str, content: bytes) -> None:
        """Write a small file atomically. An existing file is replaced."""
        if self._renames:
            file = self.open(path)
            try:
                file.handle.write(content)
                file.finish()  # writes what is buffered
            except BaseException:
                file.abandon()
                raise
        else:
            self.fs.pipe_file(self.full(path), content)

    def get(self, path: str) -> bytes | None:
        """Return the content of a small file; ``None`` if it does not exist."""
        try:
            return bytes(self.fs.cat_file(self.full(path)))
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in a folder; an empty list if it does not exist."""
        self.fs.invalidate_cache()
        try:
            paths = self.fs.ls(self.full(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rpartition("/")[2] for path in paths)

    def find(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and its subfolders."""
        self.fs.invalidate_cache()
        return [path.removeprefix(f"{self.root}/") for path in self.fs.find(self.full(folder))]

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files. Files that do not exist are ignored."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm_file(self.full(path))


class LakeFile:
    """A file that is being written.

    :param handle: binary file object that takes the content.
    """

    def __init__(self, fs: AbstractFileSystem, path: str, written: str) -> None:
        self._fs = fs
        self._path = path
        self._written = written
        self.handle: BinaryIO = fs.open(written, "wb", block_size=BLOCK_BYTES)

    def finish(self) -> int:
        """Complete the file and return its size in bytes."""
        size = self.handle.tell()
        self.handle.close()
        if self._written != self._path:
            self._fs.mv(self._written, self._path)
        return size

    def abandon(self) -> None:
        """Discard the file. Errors are ignored, because another error is already being handled."""
        with contextlib.suppress(Exception):
            if self._written != self._path:
                self.handle.close()
                self._fs.rm_file(self._written)
            else:
                # A normal close, also by the garbage collector, would create an object of the incomplete content.
                self.handle.closed = True  # type: ignore[misc]
                self.handle.discard()  # type: ignore[attr-defined]


def protocols(fs: AbstractFileSystem) -> tuple[str, ...]:
    """Return the schemes of a file system."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def filesystem_of(path: Any) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path, a URL or an ``ObjectStoragePath``, and the path in that file system."""
    import fsspec

    fs, root = (path.fs, path.path) if hasattr(path, "fs") else fsspec.url_to_fs(str(path))
    # Absolute, as the file system lists it.
    return fs, str(fs._strip_protocol(root)).rstrip("/")


def connection_of(path: Any) -> str | None:
    """Return the id of an ``ObjectStoragePath``'s Connection; Airflow 2 stores it in the options."""
    conn_id: str | None = getattr(path, "conn_id", None) or getattr(path, "storage_options", {}).get("conn_id")
    return conn_id
