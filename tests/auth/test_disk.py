"""The token file: access rights, files of other users, and damaged files."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time

import filelock
import pytest
from cryptography.fernet import Fernet

from airflow_provider_openesg.auth import disk
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.auth.memory import PROCESS_CACHE, MemoryCache
from airflow_provider_openesg.auth.token import Identity, Token
from airflow_provider_openesg.exceptions import OpenESGAuthError, OpenESGConfigError

IDENTITY = Identity("https://demo.openesg.de/o/token/", "client-1", "secret-of-client-1", None)
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user, which only root can")


class Platform:
    """Count the requests for a token."""

    def __init__(self) -> None:
        self.fetch_count = 0

    def __call__(self) -> Token:
        self.fetch_count += 1
        now = time.time()
        return Token(f"token-{self.fetch_count}", now, now + 3600)


@pytest.fixture(autouse=True)
def new_process():
    """Clear the caches of this process."""
    disk._warn_once.cache_clear()
    PROCESS_CACHE.clear()


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "tokens"


@pytest.fixture
def get(platform, directory):
    """Return a function that gets a token like a process that has just started."""
    return lambda identity=IDENTITY, **arguments: open_cache("disk", str(directory)).get(
        identity, platform, **arguments
    )


def token_file(directory):
    [file] = [path for path in directory.iterdir() if not path.suffix]
    return file


def test_only_this_user_can_access_directory_and_files(get, directory):
    old = os.umask(0)
    try:
        get()
    finally:
        os.umask(old)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert {path.stat().st_uid for path in directory.iterdir()} == {os.geteuid()}


def test_file_name_and_content_contain_no_plain_text(get, directory):
    token = get()
    content = token_file(directory).read_bytes()
    shown = content + token_file(directory).name.encode()
    for part in (token.value, IDENTITY.client_id, IDENTITY.client_secret, "openesg"):
        assert part.encode() not in shown


@pytest.mark.parametrize(
    "other",
    [
        Identity(IDENTITY.token_url, IDENTITY.client_id, "another-secret", None),
        Identity(IDENTITY.token_url, IDENTITY.client_id, IDENTITY.client_secret, "read"),
        Identity(IDENTITY.token_url, "client-2", IDENTITY.client_secret, None),
        Identity("https://app.openesg.de/o/token/", IDENTITY.client_id, IDENTITY.client_secret, None),
    ],
    ids=["secret", "scope", "client", "platform"],
)
def test_another_identity_cannot_read_a_copied_file(get, platform, directory, other):
    get()
    own = token_file(directory)
    name, _ = disk._name_and_key(other)
    (directory / name).write_bytes(own.read_bytes())
    (directory / name).chmod(0o600)
    assert get(other).value == "token-2"
    assert get(other).value == "token-2"
    assert get().value == "token-1"
    assert platform.fetch_count == 2


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"gAAAAAB", bytes(200_000), b"{}", "half"])
def test_damaged_file_is_replaced(get, platform, directory, garbage, caplog):
    get()
    file = token_file(directory)
    complete = file.read_bytes()
    file.write_bytes(complete[: len(complete) // 2] if garbage == "half" else garbage)
    assert [get().value, get().value] == ["token-2", "token-2"]
    assert platform.fetch_count == 2
    assert caplog.text == ""


def test_token_of_another_format_is_replaced(get, platform, directory):
    get()
    for content in (b"[]", b'{"value": "x"}', b'{"value": "x", "fetched_at": "now", "expires_at": 1}', b"\xff"):
        token_file(directory).write_bytes(Fernet(disk._name_and_key(IDENTITY)[1]).encrypt(content))
        assert get().value == f"token-{platform.fetch_count}"
    assert platform.fetch_count == 5


def test_rejected_token_is_dropped_but_a_newer_one_is_kept(get, platform):
    first = get()
    assert get(rejected=first.value).value == "token-2"
    assert get(rejected=first.value).value == "token-2"
    assert platform.fetch_count == 2


def test_failed_fetch_stores_nothing_and_releases_the_lock(get, platform, directory):
    def fail():
        raise OpenESGAuthError("no")

    with pytest.raises(OpenESGAuthError):
        open_cache("disk", str(directory)).get(IDENTITY, fail)
    assert [path.suffix for path in directory.iterdir()] == [".lock"]
    assert get().value == "token-1"


def assert_cache_is_not_used(caplog, get, platform, reason):
    """Assert that every process fetches a token, with one warning that names the reason, and no task fails."""
    with caplog.at_level(logging.WARNING):
        assert [get().value, get().value] == ["token-1", "token-1"]
        PROCESS_CACHE.clear()
        assert [get().value, get(rejected="token-2").value] == ["token-2", "token-3"]
    assert len(caplog.records) == 1
    assert reason in caplog.text
    assert platform.fetch_count == 3


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o777])
def test_directory_with_access_for_others_is_not_used(get, platform, directory, caplog, mode):
    directory.mkdir()
    directory.chmod(mode)
    assert_cache_is_not_used(caplog, get, platform, f"its mode {mode:04o} gives other users access")
    assert list(directory.iterdir()) == []


def test_symbolic_link_to_a_directory_is_not_used(get, platform, directory, tmp_path, caplog):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    directory.symlink_to(tmp_path / "elsewhere")
    assert_cache_is_not_used(caplog, get, platform, "symbolic link")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_file_instead_of_the_directory_is_only_a_warning(get, platform, directory, caplog):
    directory.write_text("")
    assert_cache_is_not_used(caplog, get, platform, "File exists")


@as_root
def test_directory_of_another_user_is_not_used(get, platform, directory, caplog):
    directory.mkdir(mode=0o700)
    os.chown(directory, NOBODY, NOBODY)
    assert_cache_is_not_used(caplog, get, platform, f"it belongs to user {NOBODY}")
    assert list(directory.iterdir()) == []


@as_root
def test_file_of_another_user_is_replaced_without_reading(get, platform, directory, caplog):
    get()
    file = token_file(directory)
    os.chown(file, NOBODY, NOBODY)
    assert [get().value, get().value] == ["token-2", "token-2"]
    assert f"it belongs to user {NOBODY}" in caplog.text
    assert file.stat().st_uid == 0


def test_file_that_others_can_read_is_replaced_without_reading(get, platform, directory, caplog):
    get()
    file = token_file(directory)
    file.chmod(0o644)
    assert [get().value, get().value] == ["token-2", "token-2"]
    assert "0644" in caplog.text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_symbolic_link_instead_of_the_file_is_replaced(get, platform, directory, tmp_path, caplog):
    get()
    file, elsewhere = token_file(directory), tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert [get().value, get().value] == ["token-2", "token-2"]
    assert not file.is_symlink()
    assert elsewhere.read_bytes() == before


def test_symbolic_link_instead_of_the_lock_is_only_a_warning(get, platform, directory, tmp_path, caplog):
    get()
    lock = directory / (token_file(directory).name + ".lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "victim")
    token_file(directory).unlink()
    assert get().value == "token-2"
    assert "No lock" in caplog.text
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_fifo_or_directory_instead_of_the_file_does_not_hang(get, platform, directory, kind, caplog):
    get()
    file = token_file(directory)
    file.unlink()
    os.mkfifo(file, 0o600) if kind == "fifo" else file.mkdir()
    assert get().value == "token-2"
    assert "is not used" in caplog.text


def test_lock_timeout_fetches_a_token_and_warns(get, platform, directory, caplog, monkeypatch):
    get()
    file = token_file(directory)
    monkeypatch.setattr(disk, "LOCK_SECONDS", 0.2)
    with filelock.FileLock(f"{file}.lock"):
        file.unlink()
        assert get().value == "token-2"
    assert "No lock on" in caplog.text
    assert get().value == "token-2"


def test_write_error_fetches_a_token_and_warns(get, platform, directory, caplog, monkeypatch):
    # A full or read-only disk, which root cannot cause without mounting one.
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk.tempfile, "mkstemp", fail)
    assert [get().value, get().value] == ["token-1", "token-2"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text


def test_default_directory_is_in_the_users_runtime_directory(platform, tmp_path, monkeypatch):
    runtime, temporary = tmp_path / "run", tmp_path / "tmp"
    runtime.mkdir(mode=0o700)
    temporary.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(disk.tempfile, "tempdir", str(temporary))
    name = f"airflow-openesg-{os.geteuid()}"
    open_cache().get(IDENTITY, platform)
    assert (runtime / name).is_dir()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    open_cache().get(IDENTITY, platform)
    assert (temporary / name).is_dir()


@as_root
def test_runtime_directory_of_another_user_is_not_used(platform, tmp_path, monkeypatch, caplog):
    runtime, temporary = tmp_path / "run", tmp_path / "tmp"
    runtime.mkdir(mode=0o700)
    os.chown(runtime, NOBODY, NOBODY)
    temporary.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(disk.tempfile, "tempdir", str(temporary))
    open_cache().get(IDENTITY, platform)
    assert list(runtime.iterdir()) == []
    assert (temporary / f"airflow-openesg-{os.geteuid()}").is_dir()
    assert caplog.text == ""


@as_root
@pytest.mark.processes
def test_another_user_can_neither_read_nor_write_tokens(start, token_requests, tmp_path, cache_dir):
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    assert start().finish().failures() == []
    before = {path.name: path.read_bytes() for path in cache_dir.iterdir()}
    # With the same secret, and so with the same file name and key, in this user's directory:
    other = start(uid=NOBODY, processes=2).finish()
    assert other.failures() == []
    assert "it belongs to user 0" in other.errors
    assert token_requests() == 3
    assert {path.name: path.read_bytes() for path in cache_dir.iterdir()} == before

    # And with a default directory that the other user created before this user's first task:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    environment = {**os.environ, "TMPDIR": str(shared), "XDG_RUNTIME_DIR": ""}
    assert start(uid=NOBODY, directory=None, environment=environment).finish().failures() == []
    foreign = shared / f"airflow-openesg-{NOBODY}"
    foreign.rename(shared / "airflow-openesg-0")
    before = {path.name: path.read_bytes() for path in (shared / "airflow-openesg-0").iterdir()}
    own = start(directory=None, environment=environment).finish()
    assert own.failures() == []
    assert f"it belongs to user {NOBODY}" in own.errors
    assert token_requests() == 5
    assert {path.name: path.read_bytes() for path in (shared / "airflow-openesg-0").iterdir()} == before


def test_unknown_cache_kind_is_an_error():
    with pytest.raises(OpenESGConfigError, match=r"credential_cache: 'redis' given; allowed: disk, memory, off"):
        open_cache("redis")


def test_forked_child_does_not_wait_for_locks_of_the_parents_threads(platform):
    locked, free = threading.Event(), threading.Event()

    def slow():
        locked.set()
        free.wait(30)
        return platform()

    cache = open_cache("memory")
    thread = threading.Thread(target=cache.get, args=(IDENTITY, slow))
    thread.start()
    locked.wait(30)
    child = os.fork()
    if not child:
        try:
            os._exit(int(cache.get(IDENTITY, platform).value != "token-1"))
        finally:
            os._exit(2)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    if ended == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    free.set()
    thread.join()
    assert ended == (child, 0)


def test_memory_caches_are_separate_objects():
    platform = Platform()
    one, other = MemoryCache(), MemoryCache()
    assert [cache.get(IDENTITY, platform).value for cache in (one, one, other)] == ["token-1", "token-1", "token-2"]
