"""Make the pictures in docs/img: ``make screenshots``. The browser tests save them while they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "img"


def main() -> int:
    """Run the browser tests, which save the pictures. Requires Chromium."""
    PICTURES.mkdir(exist_ok=True)
    os.environ["SCREENSHOTS"] = str(PICTURES)
    return pytest.main([str(ROOT / "tests" / "airflow"), "-m", "browser", "-q", "-rs"])


if __name__ == "__main__":
    sys.exit(main())
