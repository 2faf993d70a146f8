"""The document in which a user writes down what differs on a platform, as TOML or JSON.

Keys, types and limits are those of the dataclasses in :mod:`airflow_provider_openesg.api`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from airflow_provider_openesg.api import ASSUMED, Api
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.hints import did_you_mean

MAX_BYTES = 1 << 20
"""Maximum size of a file with a document."""

_FORMS = "TOML, JSON, or the path or URL of a file with one of them"
_URL = re.compile(r"[A-Za-z][\w+.-]*://\S*")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")
_BRACES = re.compile(r"\{[^{}]*\}?|\}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def load_api(given: Any, source: str, read_file: Callable[[str], str] | None = None) -> Api:
    """Return the API of a document, or of the file that a path or URL names.

    Text is a document if it begins with ``{`` or ``[``, or contains a line break or ``=``. Other text and URLs name a
    file.

    :param given: document, as text or mapping; or path or URL.
    :param source: name of the setting, for error messages.
    :param read_file: function that returns the text of a file; by default it reads local files.
    :raises OpenESGConfigError: if the file cannot be read, or if the document is not valid.
    """
    if not isinstance(given, str) or _is_document(given):
        return read_api(given, source)
    path = given.strip()
    shown = re.sub(r"(://)[^/]*:[^/]*@", r"\1***@", path).partition("?")[0]
    try:
        text = (read_file or _read_local_file)(path)
    except Exception as error:  # each object store has its own errors
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise OpenESGConfigError(
            f"{source}: the file {shown!r:.200} cannot be read ({reason}). Allowed: {_FORMS}. It must be readable on "
            "all workers and the triggerer."
        ) from error
    return read_api(text, f"{source}, file {shown}")


def read_document(path: Any) -> str:
    """Return the text of a file in UTF-8.

    :param path: ``pathlib.Path`` or ``ObjectStoragePath``.
    :raises OSError: if the file cannot be read.
    :raises ValueError: if it is larger than :data:`MAX_BYTES`, or not UTF-8.
    """
    with path.open("rb") as file:
        content: bytes = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return content.decode()


def read_api(text_or_mapping: Any, source: str) -> Api:
    """Return the API of a document: what it does not contain is as in :data:`~airflow_provider_openesg.api.ASSUMED`.

    :param text_or_mapping: TOML, JSON (an object), or the mapping that was read from one of them.
    :param source: name of the document, for error messages.
    :raises OpenESGConfigError: if the document is not valid.
    """
    given = _parsed(text_or_mapping, source) if isinstance(text_or_mapping, str) else text_or_mapping
    if not isinstance(given, Mapping):
        raise OpenESGConfigError(
            f"{source}: {given!r:.100} given; allowed: {_FORMS}; the top level of JSON is an object."
        )
    api: Api = _read_table(Api, given, _Place(source))
    return api


def api_text(api: Api) -> str:
    """Return the differences from :data:`~airflow_provider_openesg.api.ASSUMED` as TOML.

    :func:`read_api` returns an equal API for the text.
    """
    return "\n".join("\n".join(lines) + "\n" for lines in _tables((), _differences(api, ASSUMED)))


def api_schema() -> dict[str, Any]:
    """Return the JSON Schema of a document, with descriptions and defaults."""
    schema = _table_schema(Api, ())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Differences of an openESG platform",
        **schema,
    }


def table_description(cls: Any) -> str:
    """Return the description of a table of a document: the first paragraph of the dataclass, as Markdown."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


def _is_document(text: str) -> bool:
    text = text.removeprefix("\ufeff").strip()
    if _URL.fullmatch(text):
        return False  # the path of a partition has an equals sign: s3://bucket/site=north/api.toml
    return text.startswith(("{", "[")) or any(character in text for character in "\n\r=")


def _read_local_file(path: str) -> str:
    return read_document(Path(path))


def _parsed(text: str, source: str) -> Any:
    import tomllib  # not needed to parse a DAG file

    text = text.removeprefix("\ufeff")
    begin = text.lstrip()[:1]
    if begin == "[":  # a list in JSON, or a table in TOML
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    name = "JSON" if begin == "{" else "TOML"
    try:
        return json.loads(text, object_pairs_hook=_unique) if name == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        hint = "" if name == "JSON" else " Text is quoted; keys are, if they contain more than A-Z, a-z, 0-9, _ and -."
        raise OpenESGConfigError(f"{source}: not valid {name}: {error}. Allowed: {_FORMS}.{hint}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. By default, the last value of a key that is given twice would be used."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in found if names.count(name) > 1)!r:.100} is given twice")
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """A key of a document, with the keys above it."""

    source: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(map(_key, self.keys))

    def below(self, name: Any) -> _Place:
        return _Place(self.source, (*self.keys, str(name)))

    def refuse(self, given: Any, allowed: str, hint: str = "") -> NoReturn:
        raise OpenESGConfigError(f"{self.source}: {self}: {given!r:.100} given; allowed: {allowed}.{hint}")

    def check_keys(self, given: Any, allowed: Iterable[str]) -> None:
        """Check that a value is a table, and has no other keys than the allowed ones."""
        names = list(allowed)
        if not isinstance(given, Mapping):
            self.refuse(given, f"a table with the keys {', '.join(names)}")
        for name in given:
            if name not in names:
                raise OpenESGConfigError(
                    f"{self.source}: key {self.below(name)!s:.200} given; allowed{f' in {self}' if self.keys else ''}: "
                    f"{', '.join(names)}.{did_you_mean(name, names)}"
                )


def _read_table(cls: Any, given: Any, place: _Place) -> Any:
    entries, types = {entry.name: entry for entry in fields(cls)}, get_type_hints(cls)
    place.check_keys(given, entries)
    return cls(**{name: _read(types[name], entries[name], value, place.below(name)) for name, value in given.items()})


def _read(kind: Any, entry: Field[Any], given: Any, place: _Place) -> Any:
    if is_dataclass(kind):
        return _read_table(kind, given, place)
    if get_origin(kind) is Mapping:
        return _read_mapping(kind, entry, given, place)
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return _read_word(given, options, place)
    if given is None and type(None) in options:
        return None
    if int in options:
        least = entry.metadata["minimum"]
        if isinstance(given, bool) or not isinstance(given, int) or given < least:
            place.refuse(given, f"a whole number from {least}")
        return given
    return _read_text(given, place, entry.default)


def _read_mapping(kind: Any, entry: Field[Any], given: Any, place: _Place) -> dict[str, Any]:
    if get_args(kind)[1] is str:
        return _read_words(given, place, **{name: entry.metadata.get(name) for name in ("keys", "values")})
    records = _names_of_records()
    place.check_keys(given, records)
    return {name: _read_words(value, place.below(name), keys=records[name]) for name, value in given.items()}


def _read_words(
    given: Any, place: _Place, *, keys: Iterable[str] | None = None, values: tuple[str, ...] | None = None
) -> dict[str, str]:
    """Return a table of text. By default, keys are words of the platform, which are compared without regard to case."""
    if keys is not None:
        place.check_keys(given, keys)
    elif not isinstance(given, Mapping):
        place.refuse(given, "a table of text")
    seen: dict[str, str] = {}
    for name in given if keys is None else ():
        if not isinstance(name, str) or not name.strip():
            place.refuse(name, "keys that are text")
        if (other := seen.setdefault(name.casefold(), name)) != name:
            place.refuse(f"{other}, {name}", "each key once; case is ignored")
    return {
        name: _read_text(value, place.below(name)) if values is None else _read_word(value, values, place.below(name))
        for name, value in given.items()
    }


def _read_word(given: Any, allowed: tuple[str, ...], place: _Place) -> Any:
    if given not in allowed:
        hint = " Quote a key that contains a point." if isinstance(given, Mapping) else did_you_mean(given, allowed)
        place.refuse(given, ", ".join(allowed), hint)
    return given


def _read_text(given: Any, place: _Place, assumed: Any = None) -> Any:
    section = place.keys[0]
    if not isinstance(given, str):
        place.refuse(given, "text")
    if not given.strip():
        if section == "filters":
            return None
        if section == "names":  # the platform has no such field
            return ""
        place.refuse(given, "text that is not empty")
    if section == "paths":
        return _read_path(given, place, assumed)
    if section == "pages":
        if not _leads_down(given, "?{}"):
            place.refuse(
                given, f"a path below the Base URL, such as {assumed}, without .., scheme, host, query and braces"
            )
        return "/" + given.strip("/")
    if section in ("names", "envelope") and not all(part.strip() for part in given.split(".")):
        place.refuse(given, "a name, or names with a point between them")
    return given


def _read_path(given: str, place: _Place, assumed: str) -> str:
    path, ids = given.lstrip("/"), _BRACES.findall(assumed)
    if not path or not _leads_down(given, "?#") or {*_BRACES.findall(path)} != {*ids}:
        braces = f"with {' and '.join(ids)}" if ids else "without braces"
        place.refuse(
            given, f"a path below the API path {braces}, such as {assumed}, without .., scheme, host and query"
        )
    return path


def _leads_down(path: str, refused: str) -> bool:
    """Return whether a path stays on its host and below the path that is put before it."""
    if path.startswith("//") or _SCHEME.match(path.lstrip("/")):
        return False
    if any(character.isspace() or not character.isprintable() or character in refused + "\\" for character in path):
        return False
    return {".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(path)))


def _names_of_records() -> dict[str, tuple[str, ...]]:
    from airflow_provider_openesg.records import RECORDS  # imports msgspec

    return {name: tuple(record.fields) for name, record in RECORDS.items()}


def _differences(value: Any, assumed: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in fields(value):
        given, known = getattr(value, entry.name), getattr(assumed, entry.name)
        if is_dataclass(given):
            found |= {entry.name: below} if (below := _differences(given, known)) else {}
        elif given != known:
            found[entry.name] = "" if given is None else _sorted(given)  # TOML has no null; for a filter, "" is None
    return found


def _sorted(value: Any) -> Any:
    """Return mappings with sorted keys, so that equal APIs have equal texts."""
    return {name: _sorted(value[name]) for name in sorted(value)} if isinstance(value, Mapping) else value


def _tables(keys: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the lines of each table: its header, if it has one, and its values."""
    tables = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in table.items() if name not in tables]
    if keys and (lines or not tables):
        yield [f"[{'.'.join(map(_key, keys))}]", *lines]
    for name, value in tables.items():
        yield from _tables((*keys, name), value)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: str | int) -> str:
    # The escapes of JSON are also those of TOML, which does not allow DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table_schema(cls: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    types = get_type_hints(cls)
    schemas = {entry.name: _entry_schema(types[entry.name], entry, (*keys, entry.name)) for entry in fields(cls)}
    return {"description": table_description(cls), **_closed(schemas)}


def _entry_schema(kind: Any, entry: Field[Any], keys: tuple[str, ...]) -> dict[str, Any]:
    if is_dataclass(kind):
        return _table_schema(kind, keys)
    schema: dict[str, Any] = {"description": f"{entry.metadata['doc']} (Source: {entry.metadata['source']}.)"}
    if entry.default is not MISSING:
        schema["default"] = entry.default
    options = get_args(kind)
    text = {"type": "string", "pattern": r"\S"}
    if get_origin(kind) is Mapping:
        return schema | _mapping_schema(options[1], entry, text)
    if get_origin(kind) is Literal:
        return schema | {"enum": [*options]}
    if int in options:
        return schema | {"type": ["integer", "null"], "minimum": entry.metadata["minimum"]}
    if type(None) not in options:
        return schema | text
    nullable = {"type": ["string", "null"]}
    return schema | (nullable if keys[0] == "filters" else nullable | {"pattern": text["pattern"]})


def _mapping_schema(kind: Any, entry: Field[Any], text: dict[str, Any]) -> dict[str, Any]:
    if kind is not str:
        records = _names_of_records()
        return _closed({name: _closed(dict.fromkeys(names, text)) for name, names in records.items()})
    if "keys" in entry.metadata:
        return _closed(dict.fromkeys(entry.metadata["keys"], text))
    return {"type": "object", "additionalProperties": {"enum": [*entry.metadata["values"]]}}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}
