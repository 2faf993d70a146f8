"""The result of a check: a line for each entry of the profile, and the profile to write."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_openesg import __version__
from airflow_provider_openesg.api_document import api_text, read_api

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_openesg.api import Api

State = Literal["as assumed", "differs, recognized", "differs: write this", "cannot be told"]
AS_ASSUMED: State = "as assumed"
RECOGNIZED: State = "differs, recognized"
WRITE: State = "differs: write this"
UNKNOWN: State = "cannot be told"

FILL_IN = "..."
_WIDTH = 118


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line of the profile.

    :param keys: names of its tables, and its key: ``("names", "report", "customer_identifier")``.
    :param value: its value; :data:`FILL_IN` if a person must write it.
    :param note: what the person must know.
    """

    keys: tuple[str, ...]
    value: str | int = FILL_IN
    note: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether nobody must complete it."""
        return self.value != FILL_IN

    def __str__(self) -> str:
        return f"[{_dotted(self.keys[:-1])}] {_assignment(self)}"


@dataclass(frozen=True, slots=True)
class Line:
    """What was found out about an entry of the profile.

    :param key: the entry, such as ``paths.reports``.
    :param state: whether it is as assumed.
    :param text: details, without values of records.
    :param proposals: what to write.
    """

    key: str
    state: State
    text: str
    proposals: tuple[Proposal, ...] = ()


@dataclass(slots=True)
class CheckResult:
    """The result of a check.

    :param api: what is written down today.
    :param lines: what was found out.
    :param unusable: why the platform cannot be used, if it cannot.
    :param temporary: whether a later check may succeed.
    """

    api: Api
    lines: list[Line] = field(default_factory=list)
    unusable: str = ""
    temporary: bool = False

    @property
    def differences(self) -> list[str]:
        """The differences that must be written down."""
        return [f"{line.key}: {line.text}" for line in self.lines if line.state == WRITE]

    @property
    def exit_status(self) -> int:
        """0: as assumed or recognized; 1: differences must be written down; 2: the platform cannot be used."""
        return 2 if self.unusable else 1 if self.differences else 0

    @property
    def summary(self) -> str:
        """One line."""
        if self.unusable:
            return f"The platform cannot be used: {self.unusable}"
        states = [line.state for line in self.lines]
        counts = ", ".join(f"{states.count(state)} {state}" for state in (AS_ASSUMED, RECOGNIZED, WRITE, UNKNOWN))
        if self.differences:
            return f"{counts}. Write the lines above into the profile of the platform (api), and check again."
        return f"{counts}. Nothing needs to be written."

    @property
    def toml(self) -> str:
        """The profile: what is written down, and the proposals. Those that a person must complete are comments."""
        proposals = list(dict.fromkeys(each for line in self.lines for each in line.proposals))
        complete: dict[str, Any] = tomllib.loads(api_text(self.api))
        for proposal in proposals:
            if proposal.is_complete:
                _set(complete, proposal)
        text = api_text(read_api(complete, "proposed profile"))
        return _with_comments(text, [each for each in proposals if not each.is_complete])

    def text(self) -> str:
        """Return the result for a person."""
        blocks = [_shown(line) for line in self.lines]
        if not self.unusable and (toml := self.toml):
            blocks += ["", "The profile of the platform (API differences of the Connection, or a file), as TOML:", ""]
            blocks += [toml.rstrip()]
        return "\n".join([*blocks, "", self.summary])

    def as_json(self) -> str:
        """Return the result as JSON."""
        content = {
            "version": __version__,
            "exit_status": self.exit_status,
            "summary": self.summary,
            "lines": [
                {
                    "key": line.key,
                    "state": line.state,
                    "text": line.text,
                    "write": [str(each) for each in line.proposals],
                }
                for line in self.lines
            ],
            "toml": "" if self.unusable else self.toml,
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


def _shown(line: Line) -> str:
    head = f"{line.state:<20} {line.key}: "
    words, rows = line.text.split(), [head]
    for word in words:
        if len(rows[-1]) + len(word) > _WIDTH and rows[-1].strip():
            rows.append(" " * 21)
        rows[-1] += word + " "
    rows += [f"{'':<21}-> {proposal}" for proposal in line.proposals]
    return "\n".join(map(str.rstrip, rows))


def _set(document: dict[str, Any], proposal: Proposal) -> None:
    *tables, key = proposal.keys
    for name in tables:
        document = document.setdefault(name, {})
    document[key] = proposal.value


def _with_comments(text: str, proposals: Iterable[Proposal]) -> str:
    """Add lines that a person must complete to their tables."""
    comments: dict[str, list[str]] = {}
    for each in proposals:
        note = f"  # {each.note}" if each.note else ""
        comments.setdefault(f"[{_dotted(each.keys[:-1])}]", []).append(f"# {_assignment(each)}{note}")
    tables = [table for table in text.split("\n\n") if table.strip()]
    for position, table in enumerate(tables):
        header = table.strip().splitlines()[0]
        tables[position] = "\n".join([table.strip(), *comments.pop(header, [])])
    tables += ["\n".join([header, *lines]) for header, lines in comments.items()]
    return "\n\n".join(tables) + "\n" if tables else ""


def _assignment(proposal: Proposal) -> str:
    key = proposal.keys[-1]
    shown = key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _quoted(key)
    return f"{shown} = {proposal.value if isinstance(proposal.value, int) else _quoted(proposal.value)}"


def _dotted(keys: Iterable[str]) -> str:
    return ".".join(keys)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
