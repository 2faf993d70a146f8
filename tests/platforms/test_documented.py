"""The page on compatibility has every shape, with the result that the other tests of this folder check."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from airflow_provider_openesg.api_document import read_api
from airflow_provider_openesg.sandbox.shapes.table import SHAPES

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN_DOWN = tomllib.loads((DOCS / "platforms.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def lines():
    """Cells of the table of the page, by shape."""
    specification = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)
    page = generate.on_page_markdown((DOCS / "compatibility.md").read_text("utf-8"))
    assert "<!-- generated" not in page
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in SHAPES}


def test_page_has_every_shape(lines):
    assert {name: line[0] for name, line in lines.items()} == {name: each.description for name, each in SHAPES.items()}


def test_page_says_what_has_to_be_written_down(lines):
    right = {name for name, line in lines.items() if line[1] == "Right."}
    assert right == SHAPES.keys() - WRITTEN_DOWN.keys()
    for name, each in WRITTEN_DOWN.items():
        assert lines[name][1] == each.get("result") or "Without it" in lines[name][1]


def test_documents_are_valid():
    for name, each in WRITTEN_DOWN.items():
        if document := each.get("connection", {}).get("api"):
            assert read_api(document, name) != read_api("", name)
