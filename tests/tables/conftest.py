"""Tables from JSON bytes, and from a sandbox."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_openesg import records as shapes
from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.tables import builders
from airflow_provider_openesg.tables.decoder import RecordDecoder
from airflow_provider_openesg.tables.read import iter_tables
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template_lookup import Templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATATYPES = (
    "decimal",
    "integer",
    "string",
    "short_text",
    "text",
    "boolean",
    "eu_economic_activity",
    "daterange",
    "newer",
)


def field_type(number: int, datatype: str, **more: Any) -> dict[str, Any]:
    metric = {"id": number, "key": datatype, "name": datatype, "datatype": datatype, "units": [{"id": 1, "key": "kwh"}]}
    return {"id": number, "key": f"esg.{datatype}", "name": datatype, "metric_type": metric, **more}


SECTIONS = [
    {
        "id": 5,
        "key": "esg.section",
        "name": "Section",
        "multi_instance": True,
        "parent_id": None,
        "field_types": [
            field_type(number, datatype, measurements=[{"id": 1, "key": "estimation", "name": "Estimation"}])
            for number, datatype in enumerate(DATATYPES, 1)
        ],
    }
]


class Tables:
    """Rows of tables, read from JSON as the platform sends it."""

    def __init__(self) -> None:
        self.summary = Summary()
        self.decoder = RecordDecoder(shapes.REPORT)

    def of_reports(self, body: Any, sections: Any = SECTIONS) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of reports and field_values of a page of reports, given as JSON or as an object."""
        templates = Templates()
        if sections is not None:
            templates.add("1", RecordDecoder(shapes.SECTION).page(json.dumps(sections).encode()).rows)
        rows = self.decoder.page(body if isinstance(body, bytes) else json.dumps(body).encode()).rows
        tables = {
            "reports": builders.batches("reports", rows, self.summary),
            "field_values": (
                builders.typed_values(batch, self.summary)
                for batch in builders.field_values(rows, templates, self.summary)
            ),
        }
        return {name: _rows(batches) for name, batches in tables.items()}

    def of_value(self, body: str, sections: Any = SECTIONS) -> dict[str, Any]:
        """Return the row of one field value, given as JSON without braces and id."""
        page = f'[{{"id": 7, "template": 1, "field_values": [{{"id": 1, {body}}}]}}]'.encode()
        return self.of_reports(page, sections)["field_values"][0]


def _rows(batches: Iterator[Any]) -> list[dict[str, Any]]:
    rows = []
    for batch in batches:
        batch.validate(full=True)
        rows += batch.to_pylist()
    return rows


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def client_for(settings_for: Callable[..., Any]) -> Iterator[Callable[..., OpenESGClient]]:
    clients = []

    def make(sandbox: Any, **overrides: Any) -> OpenESGClient:
        clients.append(OpenESGClient(settings_for(sandbox, **overrides), cache=open_cache("off")))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def read(client_for: Callable[..., OpenESGClient]) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Read tables of a sandbox: rows by table."""

    def read(
        sandbox: Any, *args: Any, page_size: int = 50, api: Any = None, **kwargs: Any
    ) -> dict[str, list[dict[str, Any]]]:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for table, batch in iter_tables(client_for(sandbox, page_size=page_size, api=api), *args, **kwargs):
            batch.validate(full=True)
            rows[table] += batch.to_pylist()
        return dict(rows)

    return read
