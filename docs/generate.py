"""MkDocs hook: insert tables that are made from the code into the pages, so that pages and code cannot differ.

A line ``<!-- generated: connection_fields -->`` of a page is replaced by the table. Generated text is not committed.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg import exceptions
from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.api_document import api_schema, table_description
from airflow_provider_openesg.get_provider_info import UI_FIELD_BEHAVIOUR, get_provider_info
from airflow_provider_openesg.records import RECORDS
from airflow_provider_openesg.reports.requests.columns import COLUMNS
from airflow_provider_openesg.sandbox.shapes.table import SHAPES
from airflow_provider_openesg.settings import FIELDS
from airflow_provider_openesg.tables import TABLES
from airflow_provider_openesg.tables.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks by the generated text. MkDocs calls this for every page."""
    return MARK.sub(lambda match: GENERATORS[match[1]](), markdown)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the JSON Schema of a document of differences to the built pages. MkDocs calls this once."""
    from mkdocs.structure.files import File

    content = json.dumps(api_schema(), indent=2, ensure_ascii=False) + "\n"
    files.append(File.generated(config, "api.schema.json", content=content))
    return files


def connection_fields() -> str:
    """Return a table of all fields of the connection form."""
    relabelled, placeholders = UI_FIELD_BEHAVIOUR["relabeling"], UI_FIELD_BEHAVIOUR["placeholders"]
    standard = [
        (f"**{relabelled[name]}**", f"`{name}`", f"`{placeholders[name]}`" if name == "host" else "required", note)
        for name, note in (
            (
                "host",
                "Scheme, host and, if needed, port of your platform. The default scheme is https.",
            ),
            ("login", "Client ID of your openESG OAuth 2.0 application."),
            ("password", "Its client secret. Airflow keeps it encrypted and masks it in logs."),
        )
    ]
    extra = [
        (f"**{field.label}**", f"extra `{name}`", _default(field.default), f"{field.description} {_limits(field)}")
        for name, field in FIELDS.items()
    ]
    return _table(("field in the form", "stored as", "default", "description"), standard + extra)


def airflow_options() -> str:
    """Return a table of the options of Airflow's section ``[openesg]``."""
    options = get_provider_info()["config"]["openesg"]["options"]
    return _table(
        ("option", "environment variable", "default", "description"),
        [
            (f"`{name}`", f"`AIRFLOW__OPENESG__{name.upper()}`", _default(option["default"]), option["description"])
            for name, option in options.items()
        ],
    )


def tables() -> str:
    """Return a table of columns for every table, from the Arrow schemas."""
    parts = []
    for name, schema in SCHEMAS.items():
        key = ", ".join(f"`{column}`" for column in TABLES[name])
        parts += [
            f"## {name}",
            f"{_text(schema.metadata, 'description')} Key: {key}.",
            _table(("column", "type", "unit", "description"), [_column(field) for field in schema]),
        ]
    return "\n\n".join(parts)


def request_columns() -> str:
    """Return a table of the columns of a list of report requests."""
    return _table(
        ("column", "values"),
        [
            (f"`{name}`", f"{column.allowed}; mandatory" if column.mandatory else column.allowed)
            for name, column in COLUMNS.items()
        ],
    )


def errors() -> str:
    """Return a table of the typed errors, each with the first paragraph of its docstring."""
    classes = [item for item in vars(exceptions).values() if isinstance(item, type)]
    return _table(
        ("error", "is a", "meaning"),
        [
            (f"`{item.__name__}`", f"`{(item.__base__ or object).__name__}`", (item.__doc__ or "").split("\n\n")[0])
            for item in classes
            if issubclass(item, exceptions.OpenESGError)
        ],
    )


def decisions() -> str:
    """Return a list of links to the decision records."""
    records = sorted((Path(__file__).parent / "decisions").glob("0*.md"))
    titles = {path.name: path.read_text().splitlines()[0].lstrip("# ") for path in records}
    return "\n".join(f"- [{title}]({name})" for name, title in titles.items())


def api_profile() -> str:
    """Return the keys of a document of differences: a heading and a table of keys for each of its tables."""
    return "\n\n".join(_api_tables(ASSUMED, ()))


def platforms() -> str:
    """Return a table of the shapes of the sandbox, and of what a user does on such a platform. Tests check each row."""
    written_down = tomllib.loads((Path(__file__).parent / "platforms.toml").read_text("utf-8"))
    rows = [(f"`{name}`", variant.description, _result(written_down.get(name, {}))) for name, variant in SHAPES.items()]
    return "\n\n".join(
        [
            _table(("shape", "the platform has", "result"), rows),
            *(
                f"For `{name}`:\n\n```toml\n{each['connection']['api'].strip()}\n```"
                for name, each in written_down.items()
                if "api" in each.get("connection", {})
            ),
        ]
    )


def _result(written_down: dict[str, Any]) -> str:
    fields = [
        "the document below as *API differences*" if name == "api" else f"`{value}` as *{FIELDS[name].label}*"
        for name, value in written_down.get("connection", {}).items()
    ]
    if "result" in written_down:
        return str(written_down["result"])
    return f"Right with {' and '.join(fields)}. Without it, a message names it." if fields else "Right."


GENERATORS = {
    "platforms": platforms,
    "api_profile": api_profile,
    "decisions": decisions,
    "connection_fields": connection_fields,
    "airflow_options": airflow_options,
    "tables": tables,
    "errors": errors,
    "request_columns": request_columns,
}


def _api_tables(table: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield heading, description and keys of each table."""
    rows = []
    for entry in fields(table):
        value, source = getattr(table, entry.name), entry.metadata.get("source", "")
        if is_dataclass(value):
            yield from _api_tables(value, (*keys, entry.name))
        elif entry.name == "names":
            yield f"### [names]\n\n{entry.metadata['doc']} By default, they have our names. Source: {source}."
            records = {name: ", ".join(f"`{each}`" for each in record.fields) for name, record in RECORDS.items()}
            yield _table(("record", "fields"), [(f"`names.{name}`", names) for name, names in records.items()])
        else:
            words = ", ".join(f"`{word}`" for word in entry.metadata.get("values", ()))
            description = entry.metadata["doc"] + (f" Our words: {words}." if words else "")
            rows.append((f"`{entry.name}`", _default(value or None), source, description))
    if rows:
        yield f"### [{'.'.join(keys)}]\n\n{table_description(type(table))}"
        yield _table(("key", "default", "source", "description"), rows)


def _column(field: pa.Field) -> tuple[str, str, str, str]:
    kind = "json (text)" if _text(field.metadata, "content") == "json" else str(field.type)
    required = "" if field.nullable else " Never null."
    return f"`{field.name}`", kind, _text(field.metadata, "unit"), _text(field.metadata, "description") + required


def _text(metadata: dict[bytes, bytes] | None, key: str) -> str:
    return (metadata or {}).get(key.encode(), b"").decode()


def _default(value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _limits(field: Any) -> str:
    if field.choices:
        return "Allowed: " + ", ".join(f"`{choice}`" for choice in field.choices) + "."
    bounds = [f"from {field.minimum:g}"] if field.minimum is not None else []
    bounds += [f"to {field.maximum:g}"] if field.maximum is not None else []
    return f"Allowed: {' '.join(bounds)}." if bounds else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(_line(cells) for cells in (head, ("---",) * len(head), *rows))


def _line(cells: tuple[str, ...]) -> str:
    # A row is one line, so line breaks are removed and bars are escaped.
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
