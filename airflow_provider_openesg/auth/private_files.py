"""Private directories and files of the token cache and the worker lock: only the user of the tasks may read them."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def cache_directory(given: str | None) -> Path:
    """Return ``given``, or the default directory for files that the tasks of this user share."""
    return Path(given).expanduser() if given else _default_directory()


def _default_directory() -> Path:
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or os.devnull)
    # With run_as_user, the variable is inherited and names the directory of another user.
    usable = runtime.is_dir() and runtime.stat().st_uid == os.geteuid()
    return (runtime if usable else Path(tempfile.gettempdir())) / f"airflow-openesg-{os.geteuid()}"


def private_directory(directory: Path) -> None:
    """Create ``directory`` if it does not exist, and check that it is private.

    :raises OSError: if it is not a real directory, or other users can read it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionError("not a directory, or a symbolic link")
    check_private(status)


def check_private(status: os.stat_result) -> None:
    """Check that a file or directory belongs to this user and that other users cannot read it.

    :raises PermissionError: if it does not, with the reason.
    """
    if status.st_uid != os.geteuid():
        raise PermissionError(f"it belongs to user {status.st_uid}, not to user {os.geteuid()}")
    if status.st_mode & 0o077:
        raise PermissionError(
            f"its mode {stat.S_IMODE(status.st_mode):04o} gives other users access; use 0700 (file: 0600)"
        )
