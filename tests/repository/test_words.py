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


def test_files_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff")
    assert words(str(tmp_path)).returncode == 1
    assert words(str(tmp_path / "missing.md")).returncode == 1


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
        ("module.py", "# The value stands\n# in a column.\n", 1),
        ("module.py", 'def f():\n    """Return x.\n\n    It gets\n    along.\n    """\n', 4),
        ("module.py", 'x = (\n    "made "\n    f"good {1}"\n)\n', 2),
        ("module.py", 'def f(x):\n    """Do.\n\n    :param x: Tells, how many.\n    """\n', 4),
        ("module.py", 'def f():\n    """Do.\n\n    :return: gives\n        rows.\n    """\n', 4),
        ("module.py", 'def f():\n    """Do.\n\n    :raises ValueError: giving up.\n    """\n', 4),
        ("page.md", "# Title\n\nMade anew\n", 3),
        ("page.md", "In a column `of\na table` of its\nown.\n", 2),
        ("settings.toml", "x = 1  # in a process of its own\n", 1),
        ("settings.yml", "x: 1\n# where it's\n# not given\n", 2),
        ("Makefile", "test: ## all of it, one by one, at hand\n", 1),
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
        ("module.py", 'x = f("it stands", "in")\nfor y in words:  # it stands\n    f()  # in a row\n'),
        ("page.md", "Text\n\n```\nanew\n\nanew\n```\n\nAnd `anew` in code, `made\ngood` too.\n"),
        ("page.md", "It stands\n\nin a column.\n"),
        ("data.txt", "anew\n"),
    ],
)
def test_other_words_are_accepted(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    run = words(str(tmp_path))
    assert (run.returncode, run.stdout) == (0, "No refused words.\n")
