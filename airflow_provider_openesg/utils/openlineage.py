"""Report what a transfer has read and written: as asset events and to OpenLineage."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_openesg.version_compat import AIRFLOW_3

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    import pyarrow as pa
    from airflow.providers.common.compat.sdk import Asset, AssetAlias, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_openesg.hooks.openesg import OpenESGHook
    from airflow_provider_openesg.sql.identity import DatabaseIdentity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Location of a table.

    :param uri: URI of its asset.
    :param namespace: namespace of its OpenLineage dataset.
    :param name: name of its OpenLineage dataset.
    """

    uri: str
    namespace: str
    name: str

    @classmethod
    def in_storage(cls, path: str, table: str) -> Place:
        """Return the location of a table in object storage.

        :param path: URL of the folder that contains the table's folder.
        """
        parts = urlsplit(path)
        directory = f"{parts.path.rstrip('/')}/{table}"
        if not parts.netloc:
            return cls(f"{parts.scheme}://{directory}", parts.scheme, directory)
        namespace = f"{parts.scheme}://{parts.netloc}"
        return cls(namespace + directory, namespace, directory.lstrip("/"))

    @classmethod
    def in_database(cls, database: DatabaseIdentity, schema: str | None, table: str) -> Place:
        """Return the location of a table in a database."""
        names = [name for name in (schema, table) if name]
        return cls("/".join([database.uri, *names]), database.namespace, ".".join([*database.parts, *names]))


@dataclass(slots=True)
class _Written:
    rows: int = 0
    size: int = 0
    columns: list[tuple[str, str, str | None]] = field(default_factory=list)


class TransferLineage:
    """Lineage of one run, collected while batches are written.

    :param templates: ids or keys of the templates that are read; ``None``: all.
    """

    def __init__(self, hook: OpenESGHook, templates: Sequence[str | int] | None) -> None:
        from airflow_provider_openesg.assets.openesg import create_asset

        self._hook = hook
        host = hook.settings.base_url
        self._sources = [create_asset(host=host, template=each) for each in (templates or (None,))]
        self._tables: dict[str, _Written] = {}
        self._places: Mapping[str, Place] = {}

    def counted(self, batches: Iterable[tuple[str, pa.RecordBatch]]) -> Generator[tuple[str, pa.RecordBatch]]:
        """Yield the batches, and collect their columns and sizes."""
        for table, batch in batches:
            written = self._tables.setdefault(table, _Written())
            written.rows += batch.num_rows
            written.size += batch.get_total_buffer_size()
            written.columns = [(each.name, str(each.type), _description(each)) for each in batch.schema]
            yield table, batch

    def emit(self, places: Mapping[str, Place], run: str, context: Context, alias: AssetAlias | None) -> None:
        """Report inputs and outputs to Airflow.

        The run is committed at this time, so this method must not fail.

        :param places: table to location.
        :param run: name of the run.
        :param alias: outlet of the task for the asset events; ``None`` if the run is part of another run.
        """
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        # Without the name of the server, tables of different servers would be one dataset.
        places = {table: place for table, place in places.items() if not place.namespace.endswith("://")}
        if not places:
            log.info("No lineage and no asset event: the server cannot be read from the connection string.")
        self._places = places
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for source in self._sources:
            collector.add_input_asset(context=self._hook, uri=source.uri)
        for asset in _assets(places).values():
            collector.add_output_asset(context=self._hook, uri=asset.uri)
        if alias is not None:
            add_events(context, alias, places, {table: written.rows for table, written in self._tables.items()}, run)

    def facets(self) -> OperatorLineage[Any, Any]:
        """Return the lineage for OpenLineage's provider, which calls this method and is therefore installed."""
        from airflow.providers.common.compat.openlineage.facet import (
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
            SchemaDatasetFacet,
            SchemaDatasetFacetFields,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_provider_openesg.assets.openesg import convert_asset_to_openlineage

        outputs = []
        for table, place in self._places.items():
            written = self._tables.get(table, _Written())
            columns = [SchemaDatasetFacetFields(name=n, type=t, description=d) for n, t, d in written.columns]
            outputs.append(
                OutputDataset(
                    namespace=place.namespace,
                    name=place.name,
                    facets={"schema": SchemaDatasetFacet(fields=columns)},
                    outputFacets={
                        "outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=written.rows, size=written.size)
                    },
                )
            )
        inputs = [convert_asset_to_openlineage(source, self._hook) for source in self._sources] if outputs else []
        return OperatorLineage(inputs=inputs, outputs=outputs)


def add_events(
    context: Context, alias: AssetAlias, places: Mapping[str, Place], rows: Mapping[str, int], run: str
) -> None:
    """Add an asset event per table of a committed run.

    :param alias: outlet of the task for the asset events.
    :param places: table to location.
    :param rows: table to number of rows.
    """
    events = context.get("outlet_events")
    if events is None:  # called without a task instance
        return
    if not AIRFLOW_3 and not _known_to_airflow_2(alias):
        log.info("No dataset event: the DAG has not been parsed yet, or the task is mapped.")
        return
    for table, asset in _assets(places).items():
        events[alias].add(asset, extra={"run": run, "table": table, "rows": rows.get(table, 0)})


def _known_to_airflow_2(alias: AssetAlias) -> bool:
    """Return whether Airflow's database has the alias. If not, Airflow 2 would fail the task because of the event."""
    from airflow.models.dataset import DatasetAliasModel  # type: ignore[import-not-found]
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalar(select(DatasetAliasModel.id).where(DatasetAliasModel.name == alias.name)) is not None


def _assets(places: Mapping[str, Place]) -> dict[str, Asset]:
    assets = {table: _asset(place.uri) for table, place in places.items()}
    return {table: asset for table, asset in assets.items() if asset is not None}


def _asset(uri: str) -> Asset | None:
    from airflow.providers.common.compat.sdk import Asset

    try:
        return Asset(uri=uri)
    except ValueError as error:  # the provider of this scheme does not accept the URI
        log.warning("No asset event for %s: Airflow does not accept this URI: %s", uri, error)
        return None


def _description(column: pa.Field) -> str | None:
    description = (column.metadata or {}).get(b"description")
    return None if description is None else description.decode()
