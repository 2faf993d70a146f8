"""A lock for the tasks of one machine that send report requests, and a marker file for interrupted senders."""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import filelock

from airflow_provider_openesg.auth.private_files import cache_directory, private_directory
from airflow_provider_openesg.exceptions import OpenESGConfigError, OpenESGUntraceableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)


class WorkerLock:
    """The acquired lock: until it is released, no other task of this machine and user sends report requests.

    :param marker: file that exists while requests with unknown outcomes may be in flight.
    """

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._untraceable = marker.with_suffix(".untraceable")

    @property
    def interrupted(self) -> bool:
        """Whether an earlier task was killed while sending, so that the platform may still process its requests."""
        return self._marker.exists()

    def start_sending(self) -> None:
        """Create the marker. Call it before the first request is sent."""
        self._marker.touch(mode=0o600)

    def check_traceable(self) -> None:
        """Check that no earlier run sent a request that the platform does not show.

        :raises OpenESGUntraceableError: with the reason, and the file to remove.
        """
        with suppress(FileNotFoundError):
            reason = self._untraceable.read_text("utf-8")
            raise OpenESGUntraceableError(
                f"Nothing is sent, because an earlier run sent a request that cannot be found again: {reason} If that "
                f"is settled, remove the file {self._untraceable} on this worker."
            )

    def stop_later_runs(self, reason: str) -> None:
        """Let later runs fail before they send anything, until a person has removed the file with the reason."""
        self._untraceable.touch(mode=0o600)
        self._untraceable.write_text(reason, "utf-8")
        self.finish_sending()

    def finish_sending(self) -> None:
        """Remove the marker. Call it when the outcome of every request is known."""
        self._marker.unlink(missing_ok=True)


@contextmanager
def worker_lock(api_url: str, directory: str | None = None) -> Iterator[WorkerLock]:
    """Acquire the lock. The kernel releases it when the process ends, even if it is killed.

    There is one lock per platform, not per Connection, template or list, because two lists may have rows in common.

    :param api_url: URL of the API.
    :param directory: directory of the lock file; by default that of the token cache.
    :raises OpenESGConfigError: if the lock file cannot be used. Nothing is sent without the lock.
    """
    home = cache_directory(directory)
    name = f"requests-{hashlib.sha256(api_url.encode()).hexdigest()[:32]}"
    lock = filelock.FileLock(home / f"{name}.lock", mode=0o600)
    try:
        private_directory(home)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log.info("Another task of this machine is sending report requests to %s; waiting for its lock.", api_url)
            lock.acquire(timeout=-1)
    except (OSError, NotImplementedError) as error:
        raise OpenESGConfigError(
            f"[openesg] credential_cache_dir: {home} cannot be used for the lock that prevents two tasks from sending "
            f"the same request ({error}). Set a directory that the user of the tasks can write to."
        ) from None
    try:
        yield WorkerLock(home / f"{name}.open")
    finally:
        lock.release()
