"""The wheel: its files, its requirements and its entry points. ``make release-check`` also installs it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_openesg import __version__

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.iterdir()
    assert path.name == f"airflow_provider_openesg-{__version__}-py3-none-any.whl"
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_bytes(wheel.read(f"airflow_provider_openesg-{__version__}.dist-info/METADATA"))


def test_the_wheel_has_the_package_and_no_other_file(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = ROOT / "airflow_provider_openesg"
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {path.relative_to(ROOT).as_posix() for path in files}
    assert "airflow_provider_openesg/py.typed" in names


def test_the_wheel_has_the_licence(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    (licence,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_entry_point_returns_the_manifest(wheel: zipfile.ZipFile) -> None:
    entry_points = ConfigParser()
    entry_points.read_string(wheel.read(f"airflow_provider_openesg-{__version__}.dist-info/entry_points.txt").decode())
    ((name, value),) = entry_points["apache_airflow_provider"].items()
    manifest = EntryPoint(name, value, "apache_airflow_provider").load()()
    assert manifest["package-name"] == "airflow-provider-openesg"
    assert manifest["versions"] == [__version__]


def test_core_needs_no_database_driver_and_no_arrow(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = {line.split(">=")[0] for line in needed}
    assert names == {
        "alembic",
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "asgiref",
        "cryptography",
        "filelock",
        "fsspec",
        "msgspec",
        "oauthlib",
        "packaging",
        "requests",
        "requests-oauthlib",
        "sqlalchemy",
        "tenacity",
        "urllib3",
    }
    extras = {"parquet", "duckdb", "postgres", "sqlite", "adbc", "s3", "sandbox", "all"}
    assert set(metadata.get_all("Provides-Extra", [])) == extras


@pytest.mark.parametrize("lock", ["newest.txt", "oldest.txt"])
def test_the_locks_pin_every_package_and_name_no_index(lock: str) -> None:
    lines = (ROOT / ".ci" / lock).read_text().splitlines()
    assert lines
    for line in lines:
        assert "==" in line
        assert "://" not in line
        assert not line.startswith("-")


def test_every_url_is_https(metadata: Message) -> None:
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert set(urls) >= {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in urls.values())


def test_the_sdist_has_what_a_build_needs_and_no_more(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(tmp_path / f"airflow_provider_openesg-{__version__}.tar.gz") as sdist:
        top = {name.split("/")[1] for name in sdist.getnames()}
    # Hatchling always adds .gitignore.
    assert top == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "airflow_provider_openesg",
        "dags_examples",
        "pyproject.toml",
    }
