"""A directory of a file system or an object store, and files in it that nobody sees before they are whole."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"})
"""Where an object is there with its last byte or not at all, and where renaming means copying it."""

UNFINISHED = ".unfinished"
"""How the name of a file ends that is being written, where a file can be seen before it is whole."""

BLOCK_BYTES = 8 * 1024 * 1024
"""What an open file of an object store holds until it sends it: S3 takes 10,000 of these, 80 GB."""


class Lake:
    """A directory. Paths are below it.

    :param path: an ``ObjectStoragePath``, or whatever :func:`fsspec.url_to_fs` takes.
    """

    def __init__(self, path: Any) -> None:
        self.fs, self.root = filesystem_of(path)
        self._conn_id = connection_of(path)
        self._renames = OBJECT_STORES.isdisjoint(protocols(self.fs))

    def __str__(self) -> str:
        return f"{self.url()!r}" + (f" (Connection {self._conn_id!r})" if self._conn_id else "")

    def failure(self, error: Exception) -> str:
        """Say that writing failed; errors of stores name neither path nor Connection."""
        return f"path {self}: cannot be written ({type(error).__name__}: {error})."

    def url(self, path: str = "") -> str:
        """Name a path for people and for readers."""
        return str(self.fs.unstrip_protocol(self.full(path)))

    def full(self, path: str) -> str:
        """Name a path for the file system."""
        return f"{self.root}/{path}" if path else self.root

    def open(self, path: str) -> LakeFile:
        """Begin a file; it is there once it is finished."""
        full = self.full(path)
        if self._renames:
            # Not on object stores: they know no directories, and s3fs would make a bucket that is not there.
            self.fs.makedirs(full.rpartition("/")[0], exist_ok=True)
        return LakeFile(self.fs, full, f"{full}{UNFINISHED}" if self._renames else full)

    def put(self, path: str, content: bytes) -> None:
        """Write a small file in one piece, in place of one of that name."""
        if self._renames:
            file = self.open(path)
            try:
                file.handle.write(content)
            except BaseException:
                file.abandon()
                raise
            file.finish()
        else:
            self.fs.pipe_file(self.full(path), content)

    def get(self, path: str) -> bytes | None:
        """Read a small file; ``None`` where there is none."""
        try:
            return bytes(self.fs.cat_file(self.full(path)))
        except FileNotFoundError:
            return None

    def names(self, directory: str) -> list[str]:
        """List the names in a directory; none where it is not there."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.ls(self.full(directory), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name.rpartition("/")[2] for name in found)

    def find(self, directory: str) -> list[str]:
        """List the paths of all files below a directory."""
        self.fs.invalidate_cache()
        return [name.removeprefix(f"{self.root}/") for name in self.fs.find(self.full(directory))]

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; one that is not there is no error."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm_file(self.full(path))


class LakeFile:
    """A file that is being written.

    :param handle: takes its bytes.
    """

    def __init__(self, fs: AbstractFileSystem, path: str, written: str) -> None:
        self._fs = fs
        self._path = path
        self._written = written
        self.handle: BinaryIO = fs.open(written, "wb", block_size=BLOCK_BYTES)

    def finish(self) -> int:
        """Let the file be seen, and return its size."""
        size = self.handle.tell()
        self.handle.close()
        if self._written != self._path:
            self._fs.mv(self._written, self._path)
        return size

    def abandon(self) -> None:
        """Drop what was written. It is on the way out of an error already, so it raises none of its own."""
        with contextlib.suppress(Exception):
            if self._written != self._path:
                self.handle.close()
                self._fs.rm_file(self._written)
            else:
                # Closed as usual, be it by the garbage collector, it would become an object of what is there.
                self.handle.closed = True  # type: ignore[misc]
                self.handle.discard()  # type: ignore[attr-defined]


def protocols(fs: AbstractFileSystem) -> tuple[str, ...]:
    """Return the schemes of a file system."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def filesystem_of(path: Any) -> tuple[AbstractFileSystem, str]:
    """Split a path, a URL or an ``ObjectStoragePath`` into its file system and the path in it."""
    import fsspec

    fs, root = (path.fs, path.path) if hasattr(path, "fs") else fsspec.url_to_fs(str(path))
    # Absolute, as the file system lists it.
    return fs, str(fs._strip_protocol(root)).rstrip("/")


def connection_of(path: Any) -> str | None:
    """Return the id of the Connection that an ``ObjectStoragePath`` names; Airflow 2 keeps it among the options."""
    found: str | None = getattr(path, "conn_id", None) or getattr(path, "storage_options", {}).get("conn_id")
    return found
