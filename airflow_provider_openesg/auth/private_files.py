"""Directories and files that only the user of the tasks may read: of the token cache and of the worker lock."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def cache_directory(given: str | None) -> Path:
    """Return where files that the tasks of this user share are kept: ``given``, or the default."""
    return Path(given).expanduser() if given else _default_directory()


def _default_directory() -> Path:
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or os.devnull)
    # A task that runs as another user (run_as_user) inherits a variable that names somebody else's directory.
    usable = runtime.is_dir() and runtime.stat().st_uid == os.geteuid()
    return (runtime if usable else Path(tempfile.gettempdir())) / f"airflow-openesg-{os.geteuid()}"


def private_directory(directory: Path) -> None:
    """Make ``directory`` where it is missing.

    :raises OSError: where it is not a real directory that this user alone can enter.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError("not a directory, or a symbolic link")
    must_be_private(found)


def must_be_private(found: os.stat_result) -> None:
    """Refuse a file or directory of another user, or one that other users may read.

    :raises PermissionError: with the reason.
    """
    if found.st_uid != os.geteuid():
        raise PermissionError(f"it belongs to user {found.st_uid}, not to user {os.geteuid()}")
    if found.st_mode & 0o077:
        raise PermissionError(f"its mode {stat.S_IMODE(found.st_mode):04o} lets others in; use 0700 (files: 0600)")
