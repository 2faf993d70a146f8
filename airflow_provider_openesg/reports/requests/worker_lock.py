"""One task of a worker at a time asks a platform, and the next one knows whether the one before was cut off."""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import filelock

from airflow_provider_openesg.auth.private_files import cache_directory, private_directory
from airflow_provider_openesg.exceptions import OpenESGConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)


class Turn:
    """A task's turn: from its look-up to the last answer no other task of this machine and user sends a request.

    :param mark: a file that is there while requests may be under way whose outcome nobody knows.
    """

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    @property
    def in_doubt(self) -> bool:
        """Whether a task before this one was cut off, so that the platform may still be carrying out its last calls."""
        return self._mark.exists()

    def begin_sending(self) -> None:
        """Note, before anything is sent, that outcomes are open."""
        self._mark.touch(mode=0o600)

    def all_known(self) -> None:
        """Note that every outcome is known."""
        self._mark.unlink(missing_ok=True)


@contextmanager
def turn(api_url: str, directory: str | None = None) -> Iterator[Turn]:
    """Wait for this task's turn. The kernel frees the lock of a process that dies, however it does.

    One lock for the platform, whatever Connection, template or rows: two lists may share a row that neither knows of.

    :param directory: as that of the token cache.
    :raises OpenESGConfigError: no lock can be had; without one nothing is sent.
    """
    home = cache_directory(directory)
    name = f"requests-{hashlib.sha256(api_url.encode()).hexdigest()[:32]}"
    lock = filelock.FileLock(home / f"{name}.lock", mode=0o600)
    try:
        private_directory(home)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log.info("Another task of this worker is asking %s for reports; waiting until it is done.", api_url)
            lock.acquire(timeout=-1)
    except (OSError, NotImplementedError) as error:
        raise OpenESGConfigError(
            f"[openesg] credential_cache_dir: {home} cannot be used for the lock that keeps two tasks from writing to "
            f"the same person ({error}). Name a directory that the user of the tasks can write to."
        ) from None
    try:
        yield Turn(home / f"{name}.open")
    finally:
        lock.release()
