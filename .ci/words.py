"""Check texts for refused words. CONTRIBUTING.md (Language) says what to write instead.

Usage: python .ci/words.py [FILE OR FOLDER ...]. Without arguments: the package, the docs, the example DAGs, the tests.
In Python files, comments, docstrings and (not in tests) other strings are checked; in Markdown files, all but code.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
CHECKED = ["airflow_provider_openesg", "dags_examples", "docs", "tests", ".ci"]
CHECKED += ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]

# Pattern: what to write instead. All are matched without regard to case, between word boundaries.
REFUSED = {
    r"stands? (in|beside|before|for itself)": "is in",
    r"(?<!let )(?<!stand)alone": "only",
    r"where (it|none|one|that) is (not )?(given|set|named)": "by default, or: if it is (not) given",
    r"at hand": "available",
    r"of (its|one's|their) own": "its own, or: separate",
    r"for ever": "indefinitely",
    r"in the way": "(say what prevents it)",
    r"makes? good": "repair",
    r"made good": "repaired",
    r"in words": "as text",
    r"anew": "again",
    r"whatever": "any",
    r"whoever": "anyone who",
    r"as they come": "in any order, or: as received",
    r"gets? along": "work with",
    r"is no news": "triggers no event",
    r"what comes": "rows that arrive",
    r"is told": "receives, or: is configured",
}
REFUSED_FIRST_WORDS = ("Give", "Gives", "Hand", "Hands", "Say", "Says", "Tell", "Tells")

PATTERNS = [(re.compile(rf"\b{pattern}\b", re.IGNORECASE), instead) for pattern, instead in REFUSED.items()]
THIS_FILE = Path(__file__).resolve()


def main(arguments: list[str]) -> int:
    """Print every refused word with its file and line. Return 1 if there is one."""
    found = [line for path in files(arguments or [str(ROOT / name) for name in CHECKED]) for line in problems(path)]
    print("\n".join(found) if found else "No refused words.")
    return bool(found)


def files(names: Iterable[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files of the named files and folders."""
    for path in map(Path, names):
        members = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (
            member
            for member in members
            if member.suffix in {".py", ".md"} and member.is_file() and member.resolve() != THIS_FILE
        )


def problems(path: Path) -> Iterator[str]:
    """Yield one line for every refused word of a file."""
    text = path.read_text(encoding="utf-8")
    name = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
    is_test = str(name).startswith("tests")
    for number, line in python_text(text, with_strings=not is_test) if path.suffix == ".py" else markdown_text(text):
        for pattern, instead in PATTERNS:
            for match in pattern.finditer(line):
                yield f'{name}:{number}: "{match[0]}": write: {instead}'
    if path.suffix == ".py":
        for number, word in docstring_beginnings(text):
            if word in REFUSED_FIRST_WORDS:
                yield f'{name}:{number}: a docstring begins with "{word}": write: Return, Yield, Send, Read ...'


def python_text(text: str, *, with_strings: bool) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines of the comments, docstrings and, if asked, all strings of a Python file."""
    strings = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_string = token.type in strings and (with_strings or token.string.startswith('"""'))
        if is_string or token.type == tokenize.COMMENT:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def markdown_text(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines of a Markdown file without its code."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, re.sub(r"`[^`]*`", "", line)


def docstring_beginnings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the first word of every docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words:
                yield node.body[0].lineno, words[0].rstrip(",.:;")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
