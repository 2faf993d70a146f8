"""Check the metadata of a wheel and an sdist, and that a tag equals the version. Usage: check_metadata.py FILE ..."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent


def main(names: list[str]) -> None:
    """Check all files; stop at the first fault."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "airflow_provider_openesg/__init__.py").read_text())[1]
    all_metadata = [read(Path(name)) for name in names]
    assert len(all_metadata) == 2, f"expected a wheel and an sdist, got {names}"
    for metadata in all_metadata:
        assert str(metadata.version) == version, f"version {metadata.version}, expected {version}"
        assert metadata.summary, "no description"
        assert metadata.description, "no README"
        assert metadata.description_content_type == "text/markdown", metadata.description_content_type
        assert metadata.license_expression == "Apache-2.0", metadata.license_expression
        assert {"Homepage", "Source", "Issues"} <= set(metadata.project_urls or {}), metadata.project_urls
        assert metadata.requires_dist == all_metadata[0].requires_dist, "wheel and sdist have different requirements"
    for tag in tags():
        assert tag == f"v{version}", f"tag {tag}, but the version is {version}: expected tag v{version}"
    print(f"Metadata of {len(names)} files: version {version}, valid.")


def read(path: Path) -> Metadata:
    """Read the metadata of a wheel or sdist. Raise an error if a field is invalid."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return Metadata.from_email(wheel.read(name), validate=True)
    with tarfile.open(path) as sdist:
        (name,) = (name for name in sdist.getnames() if re.fullmatch(r"[^/]+/PKG-INFO", name))
        return Metadata.from_email(sdist.extractfile(name).read(), validate=True)


def tags() -> list[str]:
    """Return the version tags of the commit, and the tag that a workflow runs for."""
    command = ["git", "tag", "--points-at", "HEAD", "--list", "v*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return found + ([os.environ["GITHUB_REF_NAME"]] if os.environ.get("GITHUB_REF_TYPE") == "tag" else [])


if __name__ == "__main__":
    main(sys.argv[1:])
