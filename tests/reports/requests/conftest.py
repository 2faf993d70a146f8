"""Rows to send, and the e-mails that the sandbox has sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def rows() -> Callable[..., list[dict[str, Any]]]:
    """Make rows, each with its own contact. Overrides apply to all of them."""

    def make(count: int, **overrides: Any) -> list[dict[str, Any]]:
        return [
            {
                "organization_name": f"Lieferant {number} GmbH",
                "user_email": f"esg-{number}@lieferant.example",
                "customer_identifier": f"L-{number}",
                "reason": "2026",
                "report_template": "vsme",
                **overrides,
            }
            for number in range(count)
        ]

    return make


@pytest.fixture
def sent_emails() -> Callable[..., Counter[str]]:
    """Count the e-mails that a sandbox has sent, by address."""
    return lambda sandbox: Counter(email["to"] for email in sandbox.state()["emails"])
