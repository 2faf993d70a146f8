"""Check texts for refused words. CONTRIBUTING.md (Language) says what to write instead.

Usage: python .ci/words.py [FILE OR FOLDER ...]. Without arguments: the texts of the repository.
Checked are: comments and strings in Python, all but code in Markdown, and all of TOML, YAML, Makefile and scripts.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
CHECKED = [
    *("airflow_provider_openesg", "dags_examples", "docs", "tests", ".ci", ".github"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("pyproject.toml", "Makefile", ".mkdocs.yml", ".pre-commit-config.yaml"),
]
SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ""}
WITH_SAMPLES = {ROOT / ".ci" / "words.py", ROOT / "tests" / "repository" / "test_words.py"}

# Pattern: what to write instead. Matched without regard to case, between word boundaries; a space is also a line break.
REFUSED = {
    r"stands? (in|beside|before|for itself)": "is in",
    r"(?<!let )(?<!stand)alone": "only",
    r"where (it|none|one|that|(a|the|no) \w+)( is|'s) (not )?(given|set|named)": "by default, or: if it is (not) given",
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
    r"beside": "next to, with, or: in addition to",
    r"begun": "started",
    r"gives what|what (it|they|one) (gives?|tells?)": "returns ..., or: (name the result)",
}
FIRST_WORDS = r"(Giv(es?|ing)|Gave|Hands?|Says?|Tell(s|ing)?|Makes)"
FIRST_WORD = re.compile(rf'^("""|:(param|return|raises)\b[^:\n]*:)\s*{FIRST_WORDS}\b', re.IGNORECASE | re.MULTILINE)

PATTERNS = {re.compile(rf"\b({pattern})\b".replace(" ", r"\s"), re.IGNORECASE): REFUSED[pattern] for pattern in REFUSED}
PATTERNS[FIRST_WORD] = "(docstrings) Return, Yield, Send, Read ...; (parameters) a noun"

TEXTS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None)}
LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
LAYOUT |= {getattr(tokenize, "FSTRING_START", None), getattr(tokenize, "FSTRING_END", None)}


def main(arguments: list[str]) -> int:
    """Print every refused word with its file and line. Return 1 if there is one."""
    found = [line for path in files(arguments or [str(ROOT / name) for name in CHECKED]) for line in problems(path)]
    print("\n".join(found) if found else "No refused words.")
    return bool(found)


def files(names: Iterable[str]) -> Iterator[Path]:
    """Yield the files to check of the named files and folders."""
    for path in map(Path, names):
        if not path.exists():
            raise FileNotFoundError(path)
        members = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (
            member
            for member in members
            if member.suffix in SUFFIXES and member.is_file() and member.resolve() not in WITH_SAMPLES
        )


def problems(path: Path) -> Iterator[str]:
    """Yield one line for every refused word of a file."""
    name = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
    try:
        text = one_text(path)
    except (UnicodeDecodeError, tokenize.TokenError, SyntaxError) as error:
        yield f"{name}: cannot be read: {error}"
        return
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f'{name}:{line}: "{" ".join(match[0].split())}": write: {instead}'


def one_text(path: Path) -> str:
    """Return the checked text of a file, in the same lines, without the indentation, ``#`` and quotes between them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = python_text(text)
    text = re.sub(r"""[ \t]*["']?[ \t]*\n[ \t#]*([bfr]{0,2}["'](?!["']))?""", "\n", text)
    if path.suffix == ".md":
        for code in (r"(?ms)^```.*?^```", r"(`+)(.|\n(?!\n))*?\1"):  # blocks; in a line or over two
            text = re.sub(code, lambda match: "`" + "\n" * match[0].count("\n"), text)
    return text


def python_text(text: str) -> str:
    """Return the comments and strings of a Python file, in the same lines. Other code is replaced by ``|``."""
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            shown = token.string if token.type in TEXTS else "|"
            for number, line in enumerate(shown.split("\n"), token.start[0] - 1):
                lines[number] += line
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
