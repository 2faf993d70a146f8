"""The word check reports the words in its list, and nothing else. ``make words`` runs it on the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def words(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "words.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_repository_passes_the_word_check() -> None:
    run = words()
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("module.py", '"""Give the rows."""\n', 1),
        ("module.py", 'def f():\n    """Tells, how many."""\n', 2),
        ("module.py", "x = 1\ny = 2  # the value stands in a column\n", 2),
        ("module.py", 'x = f"{1} lock alone"\n', 1),
        ("module.py", '"""Title.\n\nA process of its own.\n"""\n', 3),
        ("page.md", "# Title\n\nMade anew\n", 3),
    ],
)
def test_listed_word_fails(tmp_path: Path, name: str, text: str, line: int) -> None:
    (tmp_path / name).write_text(text)
    run = words(str(tmp_path))
    assert run.returncode == 1
    assert f"{name}:{line}: " in run.stdout
    assert len(run.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module.py", 'def anew():\n    """Return the standalone rows. Give no more."""\n'),
        ("page.md", "Text\n\n```\nanew\n```\n\nAnd `anew` in code.\n"),
    ],
)
def test_other_words_are_accepted(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    run = words(str(tmp_path))
    assert (run.returncode, run.stdout) == (0, "No refused words.\n")
