"""The token file: one per client, shared by all processes of this user on this machine.

Name and key of the file are derived from the client secret (PBKDF2). The content is encrypted and authenticated
(Fernet), so that a forged or damaged file is detected. An error in the cache causes a warning and a token request, but
never fails the task.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import stat
import tempfile
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_openesg import clock
from airflow_provider_openesg.auth.memory import PROCESS_CACHE
from airflow_provider_openesg.auth.private_files import cache_directory, check_private, private_directory
from airflow_provider_openesg.auth.token import Identity, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.fernet import Fernet

log = logging.getLogger(__name__)

LOCK_SECONDS = 60
_PBKDF2_ROUNDS = 100_000
_MAX_BYTES = 64 * 1024


class DiskCache:
    """Tokens in a directory that only this user can read.

    :param directory: directory of the files; by default ``airflow-openesg-<uid>`` in the user's
        runtime directory (``$XDG_RUNTIME_DIR``) or the temporary one.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory

    def get(self, identity: Identity, fetch: Callable[[], Token], rejected: str | None = None) -> Token:
        """Return a usable token (see :class:`~airflow_provider_openesg.auth.cache.CredentialCache`)."""
        file = self._file(identity)
        if file is None:
            return PROCESS_CACHE.get(identity, fetch, rejected)
        token = file.load(rejected)  # Files are replaced atomically, so reading needs no lock.
        if token is not None:
            return token
        with file.lock():
            token = file.load(rejected)
            if token is None:
                token = fetch()
                file.store(token)
            return token

    def _file(self, identity: Identity) -> _TokenFile | None:
        directory = cache_directory(self._directory)
        try:
            private_directory(directory)
        except OSError as error:
            _warn_once(f"The token cache {directory} is not used, so every process fetches a token: {_reason(error)}")
            return None
        return _TokenFile(directory, identity)


class _TokenFile:
    def __init__(self, directory: Path, identity: Identity) -> None:
        name, self._key = _name_and_key(identity)
        self._path = directory / name

    def load(self, rejected: str | None) -> Token | None:
        """Return the token in the file, or None if it is missing or not valid."""
        try:
            fields = json.loads(self._fernet().decrypt(self._read()))
            token = Token(str(fields["value"]), float(fields["fetched_at"]), float(fields["expires_at"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            _warn_once(f"The token file {self._path} is not used: {_reason(error)}")
            return None
        except Exception:
            return None
        return token if token.value != rejected and token.usable(clock.now()) else None

    def store(self, token: Token) -> None:
        """Write the token. The file is replaced atomically."""
        fields = {"value": token.value, "fetched_at": token.fetched_at, "expires_at": token.expires_at}
        try:
            for leftover in self._path.parent.glob(f"{self._path.name}.*.new"):  # left by a process that was killed
                leftover.unlink(missing_ok=True)
            handle, name = tempfile.mkstemp(suffix=".new", prefix=f"{self._path.name}.", dir=self._path.parent)
            new = Path(name)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(self._fernet().encrypt(json.dumps(fields).encode()))
                new.replace(self._path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            _warn_once(
                f"The token could not be written to {self._path}, so other processes fetch their own: {_reason(error)}"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock for fetching a token. The kernel releases it when the process ends, even if it is killed."""
        import filelock

        # A new object each time: threads and forked children must not share its file descriptor.
        held = filelock.FileLock(f"{self._path}.lock", timeout=LOCK_SECONDS, mode=0o600)
        try:
            held.acquire()
        except (OSError, filelock.Timeout) as error:  # Timeout is a subclass of OSError
            _warn_once(f"No lock on {self._path}.lock, so this process fetches its own token: {_reason(error)}")
            yield
            return
        try:
            yield
        finally:
            held.release()

    def _read(self) -> bytes:
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise PermissionError("not a regular file")
            check_private(status)
            return stream.read(_MAX_BYTES)

    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(self._key)


@lru_cache(maxsize=32)
def _name_and_key(identity: Identity) -> tuple[str, bytes]:
    """Return file name and Fernet key. PBKDF2 is slow, to prevent guessing a secret from a file, so it is cached."""
    salt = json.dumps(["openesg token cache 1", identity.token_url, identity.client_id, identity.scope]).encode()
    root = hashlib.pbkdf2_hmac("sha256", identity.client_secret.encode(), salt, _PBKDF2_ROUNDS)
    name, key = (hmac.digest(root, purpose, "sha256") for purpose in (b"file name", b"key"))
    return name.hex()[:32], base64.urlsafe_b64encode(key)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


@cache
def _warn_once(message: str) -> None:
    log.warning(message)


# A forked child runs another task with another log, so it warns again.
os.register_at_fork(after_in_child=_warn_once.cache_clear)
