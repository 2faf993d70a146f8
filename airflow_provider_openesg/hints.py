"""Hints in error messages."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(given: Any, allowed: Iterable[Any], *, cutoff: float = 0.6) -> str:
    """Return a sentence that names the closest allowed value, with a space before it; empty text if none is close.

    Names that end with the given one, after a point or an underscore, are closer than any other: ``email`` is short for
    ``user_email``.

    :param cutoff: similarity from which a value is close, 0 to 1.
    """
    if str(given).isdecimal():  # another number is not what was meant
        return ""
    text, names = str(given), [str(each) for each in allowed]
    near = [name for name in names if text and name.endswith((f".{text}", f"_{text}"))][:3]
    near = near or difflib.get_close_matches(text, names, 1, cutoff)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def closest(given: str, names: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """Return the name that is most like a given one; ``None`` if none is."""
    return next(iter(difflib.get_close_matches(given, list(names), 1, cutoff)), None)


def in_profile(entry: str) -> str:
    """Return the advice to write down a difference of the platform.

    :param entry: what to write, in TOML.
    """
    return f"write it down in the profile of the platform (api of the Connection): {entry}"
