"""A sandbox with the names of a shape, and the same sandbox without any, which is the truth."""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from platform_truth import Normal

from airflow_provider_openesg.auth.cache import open_cache
from airflow_provider_openesg.client.client import OpenESGClient
from airflow_provider_openesg.sandbox.process import SandboxProcess
from airflow_provider_openesg.sandbox.shapes.ids import shaped_id
from airflow_provider_openesg.sandbox.shapes.table import shape_of
from airflow_provider_openesg.settings import OpenESGSettings
from airflow_provider_openesg.tables.read import iter_tables
from airflow_provider_openesg.tables.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPORTS, SEED = 56, 3
"""More than one page of 50 rows, the largest of some shapes."""

WRITTEN_DOWN: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / "docs" / "platforms.toml").read_text("utf-8"))
"""What a user writes down for a shape, by its name."""

FAST = {"page_size": 30, "max_retry_time": 5, "timeout": 5}


class Platform:
    """A sandbox with shapes.

    :param names: names of the shapes.
    :param written_down: whether the Connection has what a user writes down for these shapes.
    """

    def __init__(self, sandbox: SandboxProcess, names: Sequence[str] = (), *, written_down: bool = True) -> None:
        self.sandbox, self.names = sandbox, list(names)
        self.shape = shape_of(self.names)
        self.normal = Normal(self.shape)
        self.extra: dict[str, Any] = dict(FAST)
        documents = []
        for name in self.names if written_down else ():
            connection = dict(WRITTEN_DOWN.get(name, {}).get("connection", {}))
            documents.append(tomllib.loads(connection.pop("api", "")))
            self.extra |= connection
        if any(documents):
            self.extra["api"] = json.dumps(_merged(documents))
        self.reset()

    def reset(self) -> None:
        """Restore the initial state, with the shapes."""
        self.sandbox.reset()
        self.sandbox.options(shape=self.names)

    @contextmanager
    def without_shape(self) -> Iterator[Platform]:
        """Let the sandbox show what it has, and the client expect it."""
        extra, self.extra = self.extra, dict(FAST)
        self.sandbox.options(shape=[])
        yield self
        self.extra = extra
        self.sandbox.options(shape=self.names)

    @property
    def settings(self) -> OpenESGSettings:
        return OpenESGSettings.from_connection(
            host=self.sandbox.base_url,
            login=self.sandbox.client_id,
            password=self.sandbox.client_secret,
            extra=self.extra,
        )

    @property
    def connection(self) -> str:
        """JSON of the Connection."""
        return json.dumps(json.loads(self.sandbox.connection_json) | {"extra": self.extra})

    def client(self) -> OpenESGClient:
        return OpenESGClient(self.settings, cache=open_cache("off"))

    def id(self, kind: str, number: Any) -> str:
        """Return the id that a record has on the platform."""
        is_uuid = self.shape is not None and self.shape.ids == "uuid"
        return shaped_id(kind, int(number)) if is_uuid else str(number)

    def tables(self, *args: Any, **kwargs: Any) -> tuple[dict[str, list[dict[str, Any]]], Summary]:
        """Return the rows of all tables, and what the pull has counted."""
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        summary = Summary()
        with self.client() as client:
            for table, batch in iter_tables(client, *args, summary=summary, **kwargs):
                batch.validate(full=True)
                rows[table] += batch.to_pylist()
        return dict(rows), summary

    def readable(self, truth: Truth) -> dict[str, list[dict[str, Any]]]:
        """Return the rows that a client may read: values of forbidden reports only if they are in lists."""
        forbidden: set[str] = set()
        if self.shape and self.shape.some_forbidden and self.shape.values in ("record", "empty-in-list", "path"):
            forbidden = {row["id"] for row in truth.tables["reports"] if is_forbidden(row["id"])}
        values = [row for row in truth.tables["field_values"] if row["report_id"] not in forbidden]
        return truth.tables | {"field_values": values}

    def calls(self, method: str) -> list[dict[str, Any]]:
        """Return the calls of a method that were carried out or refused, not those that were redirected."""
        return [
            call
            for call in self.sandbox.state()["log"]
            if call["method"] == method and "/o/" not in call["path"] and call["status"] != 301
        ]


def is_forbidden(report_id: str) -> bool:
    """Return whether the shape ``some-forbidden`` forbids a report."""
    return int(report_id) // 10 % 7 == 3


def _merged(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for document in documents:
        for name, part in document.items():
            both = [merged[name], part] if isinstance(part, dict) and name in merged else None
            merged[name] = _merged(both) if both else part
    return merged


class Truth:
    """What a sandbox without shape has."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        platform = Platform(sandbox)
        self.tables, self.summary = platform.tables()
        with platform.client() as client:
            self.ids = {
                resource: [str(each["id"]) for each in client.iter_records(resource)]
                for resource in ("organizations", "report-templates", "report-requests", "reports")
            }

    def rows(self, table: str, **cells: Any) -> list[dict[str, Any]]:
        """Return the rows with these cells; a list of them is one of several."""
        return [
            row
            for row in self.tables[table]
            if all(row[name] in (cell if isinstance(cell, list) else [cell]) for name, cell in cells.items())
        ]


@pytest.fixture(scope="session")
def platform_sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(reports=REPORTS, seed=SEED) as process:
        yield process


@pytest.fixture(scope="session")
def truth(platform_sandbox: SandboxProcess) -> Truth:
    return Truth(platform_sandbox)


@pytest.fixture
def sandbox(platform_sandbox: SandboxProcess) -> SandboxProcess:
    """The sandbox of this folder: fixtures of other folders, such as the Connection, use it."""
    platform_sandbox.reset()
    return platform_sandbox


@pytest.fixture
def platform(request: pytest.FixtureRequest, sandbox: SandboxProcess, truth: Truth) -> Platform:
    """A sandbox with the shapes of the parameter, and a client that knows what has to be written down."""
    names = request.param
    return Platform(sandbox, [names] if isinstance(names, str) else names)


@pytest.fixture
def platform_of(sandbox: SandboxProcess, truth: Truth) -> Any:
    """Return a function that makes a platform of names of shapes."""
    return lambda *names, **arguments: Platform(sandbox, names, **arguments)


@pytest.fixture
def use(token_cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a platform Airflow's Connection ``openesg_default``."""
    return lambda platform: monkeypatch.setenv("AIRFLOW_CONN_OPENESG_DEFAULT", platform.connection)


@pytest.fixture
def written_down() -> dict[str, Any]:
    return WRITTEN_DOWN
