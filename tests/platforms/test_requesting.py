"""Each shape: a request that is asked for twice is sent once, or not at all."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_openesg.hooks.openesg import OpenESGHook
from airflow_provider_openesg.sandbox.shapes.table import SHAPES

ROWS = [
    {
        "organization_name": f"Lieferant {number} GmbH",
        "user_email": f"esg-{number}@lieferant.example",
        "customer_identifier": f"L-{number}",
        "reason": "2026",
        "report_template": "vsme",
        "submission_date": "2026-11-30",
    }
    for number in range(2)
]


def request_twice(platform):
    """Ask twice for the same requests, and return the e-mails and what differs from the rows that were asked for."""
    found = []
    outcomes = []
    for _ in range(2):
        with OpenESGHook() as hook:
            outcomes.append([each.outcome for each in hook.request_reports(ROWS)])
    if outcomes != [["created", "created"], ["existing", "existing"]]:
        found.append(f"outcomes: {outcomes}")
    emails = Counter(email["to"] for email in platform.sandbox.state()["emails"])
    if emails != Counter({row["user_email"]: 1 for row in ROWS}):
        found.append(f"e-mails: {dict(emails)}")
    with platform.without_shape(), platform.client() as client:
        for row in ROWS:
            filters = {"customer_identifier": row["customer_identifier"]}
            stored = list(client.iter_records("report-requests", filters=filters))
            expected = {"report_template": 1, "reason": "2026", "submission_date": "2026-11-30"}
            names = [(each["organization"]["name"], each["user"]["email"]) for each in stored]
            if [each | expected for each in stored] != stored or names != [
                (row["organization_name"], row["user_email"])
            ]:
                found.append(f"stored: {stored}")
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_request_is_sent_once(name, platform_of, use):
    platform = platform_of(name)
    use(platform)
    differences = request_twice(platform)
    assert not differences, "\n".join(differences)
