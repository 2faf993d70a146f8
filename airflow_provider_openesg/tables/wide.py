"""Wide tables of a template: one row per report and a column per field key, for analysts and spreadsheets.

``{template}_reports`` has the columns of ``reports`` and those of all sections that do not repeat. A section that
repeats (it, or a section above it, is multi-instance) has a separate table ``{template}_{section}``, with one row per
report and instance. All are made from the tidy tables, so values are converted by the same rules.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.parameters import check_templates
from airflow_provider_openesg.tables.layout import Table
from airflow_provider_openesg.tables.read import iter_tables
from airflow_provider_openesg.tables.schemas import EXTRA, SCHEMAS, TEXT
from airflow_provider_openesg.tables.summary import Summary
from airflow_provider_openesg.tables.template import repeating_sections
from airflow_provider_openesg.tables.typed_values import TYPED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_openesg.client.client import OpenESGClient
    from airflow_provider_openesg.tables.lists import Batches

log = logging.getLogger(__name__)

LONGEST_NAME = 63
"""PostgreSQL's limit; MySQL takes 64, others more."""

_TYPED = {
    "decimal": (("", "value_decimal"),),
    "integer": (("", "value_integer"),),
    "boolean": (("", "value_boolean"),),
    "daterange": (("_start", "value_start"), ("_end", "value_end")),
    "eu_economic_activity": (("", "value"), ("_code", "value_code")),
}
"""Data type to the columns it makes: what is put behind the field key, and the column of ``field_values`` it shows."""
_TEXT = (("", "value"),)

_OTHER = pa.field(
    "other_values",
    TEXT,
    metadata={
        "description": "Values without a column or that do not fit their column: JSON, field key to texts as sent.",
        "content": "json",
    },
)
_REPORT_ID = pa.field(
    "report_id", TEXT, nullable=False, metadata={"description": "Report that the instance is in (its id)."}
)
_INSTANCE_ID = pa.field(
    "instance_id",
    TEXT,
    nullable=False,
    metadata={"description": "Instance of the section; empty if the platform sent none."},
)
_INSTANCE = (_REPORT_ID.name, _INSTANCE_ID.name)
_BETWEEN = "\x1f"
_TAKEN = {*SCHEMAS["reports"].names, *_INSTANCE, _OTHER.name}
"""Names that no field key may take."""

_READ = ["report_id", "instance_id", "value", *TYPED]
"""Columns of ``field_values`` that are read."""


@dataclass(slots=True)
class _Plan:
    """Columns of a table and their sources.

    :param fields: columns of the table so far.
    :param shown: column to field type and column of ``field_values``.
    """

    name: str
    fields: list[pa.Field]
    key: tuple[str, ...]
    owner: tuple[str, str] | None
    described: str
    shown: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """All its columns."""
        return pa.schema([*self.fields, _OTHER], metadata={"description": self.described})

    @property
    def kinds(self) -> dict[str, list[str]]:
        """Its field types, and of each the columns of ``field_values`` that it shows."""
        kinds: dict[str, list[str]] = {}
        for kind, source in self.shown.values():
            kinds.setdefault(kind, []).append(source)
        return kinds


class Wide:
    """The wide tables of one template.

    :param template: id of the template.
    :param key: key of the template; the names of the tables begin with it.
    :param sections: rows of the table ``sections`` of this template.
    :param field_types: rows of the table ``field_types`` of this template.
    :raises OpenESGConfigError: if two field types or sections would have one name.
    """

    def __init__(
        self, template: str, key: str | None, sections: Sequence[Any], field_types: Iterable[Mapping[str, Any]]
    ) -> None:
        self._template = template
        self._name = key or f"template {template}"
        reports = SCHEMAS["reports"]
        main = _Plan(
            _named(self._name, "reports"),
            [each for each in reports if each.name != EXTRA],
            ("id",),
            None,
            f"Reports of template {self._name}: one row each, and a column per field key.",
        )
        self._tables = {main.name: main}
        repeating = repeating_sections(sections)
        of_sections = {
            each["id"]: self._add_section(each, main) if each["id"] in repeating else main for each in sections
        }
        self._keys: dict[str, str] = {}
        for field_type in field_types:
            self._add_field(field_type, of_sections[field_type["section_id"]])
        if not self._keys:
            log.warning(
                "Template %s has no field types that this client may read: its table has only the columns of"
                " reports.", self._name,
            )  # fmt: skip
        main.fields.append(reports.field(EXTRA))
        self._tables = {name: table for name, table in self._tables.items() if table.shown or table is main}

    @classmethod
    def of_template(cls, client: OpenESGClient, templates: Collection[str | int] | None) -> Wide:
        """Read the sections and field types of a template.

        :param templates: list of one template id or key.
        :raises OpenESGConfigError: if it is not exactly one, or if the platform does not have it.
        """
        given = check_templates(templates, shape="wide")
        rows: dict[str, list[Any]] = defaultdict(list)
        for table, batch in iter_tables(client, ["report_templates", "sections", "field_types"], templates=given):
            rows[table] += batch.to_pylist()
        template, *others = rows["report_templates"]
        if others:
            ids = ", ".join(each["id"] for each in rows["report_templates"])
            raise OpenESGConfigError(
                f"templates: {given!r:.100} given, the key of several templates; allowed with shape='wide': one of the"
                f" ids {ids}. Their tables have the same names: use another schema or path for each."
            )
        return cls(template["id"], template["key"], rows["sections"], rows["field_types"])

    @property
    def tables(self) -> list[Table]:
        """All tables, the one of the reports first."""
        return [Table(each.name, each.schema, each.key, each.owner) for each in self._tables.values()]

    def batches(
        self,
        client: OpenESGClient,
        *,
        updated_after: datetime | str | None = None,
        filters: Mapping[str, Any] | None = None,
        summary: Summary | None = None,
    ) -> Batches:
        """Read the reports; every table has at least one batch.

        :param updated_after: as for :func:`~.read.iter_tables`; so are the others.
        """
        summary = Summary() if summary is None else summary
        tidy = iter_tables(
            client,
            ["reports", "field_values"],
            templates=[self._template],
            updated_after=updated_after,
            filters=filters,
            summary=summary,
        )
        without = dict.fromkeys(self._tables)
        for reports, values in _together(tidy):
            for table, batch in self.rows_of(reports, values):
                without.pop(table, None)
                summary.rows[table] += batch.num_rows
                yield table, batch
        for table in without:
            yield table, pa.RecordBatch.from_pylist([], self._tables[table].schema)

    def _add_section(self, section: Mapping[str, Any], main: _Plan) -> _Plan:
        # The part of a key before the template's name, as in esg.vsme.b1_sites, is the same for all sections.
        parts = re.split(r"[^A-Za-z0-9_-]+", section["key"] or f"section_{section['id']}")
        inner = parts[parts.index(self._name) + 1 :] if self._name in parts[:-1] else parts
        name = _named(self._name, *inner)
        if name in self._tables:
            raise self._clash(f"table {name!r}", f"section {section['key']!r}", self._tables[name].described)
        described = (
            f"Section {section['key']} of template {self._name}: {section['name']}. One row per report and instance."
        )
        self._tables[name] = _Plan(
            name, [_REPORT_ID, _INSTANCE_ID], ("report_id", "instance_id"), (main.name, "report_id"), described
        )
        return self._tables[name]

    def _add_field(self, field_type: Mapping[str, Any], table: _Plan) -> None:
        number, key = field_type["id"], field_type["key"] or f"field_type_{field_type['id']}"
        self._keys[number] = key
        for suffix, source in _TYPED.get(field_type["datatype"], _TEXT):
            name = _named(key, end=suffix)
            if name in _TAKEN:
                name = _named("field", key, end=suffix)
            if name in table.shown:
                other = self._keys[table.shown[name][0]]
                raise self._clash(f"column {name!r} of table {table.name!r}", f"field {key!r}", f"field {other!r}")
            metadata = {"description": f"{field_type['name'] or key} ({key})", "field_key": key}
            if field_type["unit"] and not suffix:
                metadata["unit"] = field_type["unit"]
            type_ = SCHEMAS["field_values"].field(source).type
            table.fields.append(pa.field(name, type_, metadata=metadata))
            table.shown[name] = number, source

    def _clash(self, what: str, *whose: str) -> OpenESGConfigError:
        return OpenESGConfigError(
            f"template {self._name}: {' and '.join(whose)} would both be {what}. Use"
            " shape='tidy', where each has its own rows."
        )

    def rows_of(self, reports: pa.RecordBatch, values: pa.RecordBatch) -> Batches:
        """Yield the rows of reports of the template, from their tidy rows and all their values."""
        by_kind = _by_kind(values)
        for table in self._tables.values():
            own = {kind: _row_keys(table, by_kind[kind]) for kind in table.kinds if kind in by_kind}
            rows = reports.column("id") if table.owner is None else _distinct(own.values())
            if not len(rows):
                continue
            others = _Others(rows)
            if table.owner is None:
                for kind in by_kind.keys() - self._keys.keys():
                    unlisted = by_kind[kind]
                    others.add(unlisted.column("report_id"), str(kind), unlisted.column("value"))
            places = {kind: pc.index_in(rows, value_set=keys) for kind, keys in own.items()}
            for kind, keys in own.items():
                left = _without_column(by_kind[kind], places[kind], table.kinds[kind])
                others.add(keys.filter(left), self._keys[kind], by_kind[kind].column("value").filter(left))
            arrays = []
            for column in table.schema:
                if column.name in table.shown:
                    kind, source = table.shown[column.name]
                    given = by_kind[kind].column(source).take(places[kind]) if kind in own else None
                    arrays.append(pa.nulls(len(rows), column.type) if given is None else given)
                elif column.name == _OTHER.name:
                    arrays.append(others.array())
                elif table.owner is None:
                    arrays.append(reports.column(column.name))
                else:
                    arrays.append(_part(rows, column.name))
            yield table.name, pa.record_batch(arrays, schema=table.schema)


class _Others:
    """Values without a column of a table, by row."""

    def __init__(self, rows: pa.Array) -> None:
        self._rows = rows
        self._texts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def add(self, rows: pa.Array, field_key: str, texts: pa.Array) -> None:
        """Add the values of a field key, except blank ones."""
        for row, text in zip(rows.to_pylist(), texts.to_pylist(), strict=True):
            if text is not None and text.strip():
                self._texts[row][field_key].append(text)

    def array(self) -> pa.Array:
        """Return the column."""
        if not self._texts:
            return pa.nulls(len(self._rows), TEXT)
        texts = map(self._texts.get, self._rows.to_pylist())
        return pa.array([None if each is None else json.dumps(each, ensure_ascii=False) for each in texts], TEXT)


def _together(tidy: Batches) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yield reports together with their values, which follow them in ``tidy``."""
    held: dict[str, list[pa.RecordBatch]] = {"reports": [], "field_values": []}

    def taken(table: str) -> pa.RecordBatch:
        batches, held[table] = held[table], []
        whole = pa.Table.from_batches(batches, SCHEMAS[table]).combine_chunks()
        return whole.to_batches()[0] if len(whole) else pa.RecordBatch.from_pylist([], SCHEMAS[table])

    for table, batch in tidy:
        if table == "reports" and held["field_values"]:
            yield taken("reports"), taken("field_values")
        held[table].append(batch)
    yield taken("reports"), taken("field_values")


def _by_kind(values: pa.RecordBatch) -> dict[str | None, pa.RecordBatch]:
    """Return values by field type. They are sorted once, so that each part is a slice."""
    kinds = values.column("field_type_id").dictionary_encode()
    order = pc.sort_indices(kinds.indices)
    runs = pc.run_end_encode(kinds.indices.take(order))
    ordered = values.select(_READ).take(order)
    names, parts, start = kinds.dictionary.to_pylist(), {}, 0
    for number, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        parts[None if number is None else names[number]] = ordered.slice(start, end - start)
        start = end
    return parts


def _row_keys(table: _Plan, values: pa.RecordBatch) -> pa.Array:
    """Return the key of the row that each value belongs to."""
    if table.owner is None:
        return values.column("report_id")
    instances = pc.fill_null(values.column("instance_id"), "")
    return pc.binary_join_element_wise(values.column("report_id"), instances, _BETWEEN)


def _distinct(keys: Iterable[pa.Array]) -> pa.Array:
    return pa.concat_arrays([*keys] or [pa.nulls(0, TEXT)]).unique()


def _part(rows: pa.Array, column: str) -> pa.Array:
    return pa.array(
        [dict(zip(_INSTANCE, key.split(_BETWEEN, 1), strict=True))[column] for key in rows.to_pylist()], TEXT
    )


def _without_column(values: pa.RecordBatch, places: pa.Array, sources: Iterable[str]) -> pa.Array:
    """Return which values are in no column: a second one for a row, and text that is not of its data type."""
    numbers = pa.array(range(len(values)), places.type)
    left = pc.invert(pc.is_in(numbers, value_set=places.drop_null()))
    if "value" not in sources:
        left = pc.or_(left, reduce(pc.or_, (values.column(source).is_null() for source in sources)))
    return left


def _named(*parts: str, end: str = "") -> str:
    """Return a name that every database accepts unquoted. The same parts always have the same name.

    A name that is too long is cut and ends in a hash of the parts.
    """
    text = unicodedata.normalize("NFKD", "_".join(parts).replace("ß", "ss"))
    name = re.sub(r"[^a-z0-9]+", "_", text.encode("ascii", "ignore").decode().lower()).strip("_") + end
    known = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    if not name[0:1].isalpha():
        name = f"field_{name.strip('_') or known}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9 - len(end)]}_{known}{end}"
