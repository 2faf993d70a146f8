"""Read an OpenAPI schema (3.0 or 3.1): what a platform says of its lists, their filters and what it accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

Object = Mapping[str, Any]

_MERGED = ("allOf", "anyOf", "oneOf")


class OpenApi:
    """An OpenAPI schema. What it does not have, or has in another form, is empty.

    :param content: the parsed document.
    :param api_path: path of the API, such as ``/api/v1``. Paths of the document may begin with it.
    :raises ValueError: if it is not an OpenAPI schema.
    """

    def __init__(self, content: Any, api_path: str = "") -> None:
        if not isinstance(content, Mapping) or not isinstance(content.get("paths"), Mapping):
            raise ValueError("no OpenAPI schema: it has no 'paths'")
        self._content = content
        self._api_path = api_path
        urls = [server.get("url") for server in _list(content, "servers") if isinstance(server, Mapping)]
        self._servers = [urlsplit(url).path.rstrip("/") for url in urls if isinstance(url, str)]
        self.version = str(content.get("openapi") or content.get("swagger") or "")

    def paths(self) -> list[str]:
        """Return the paths below the API path."""
        return [self._below(path) for path in self._content["paths"] if isinstance(path, str)]

    def operation(self, method: str, path: str) -> Object | None:
        """Return an operation, with the parameters of its path.

        :param path: path below the API path; names in braces are ignored.
        """
        for given, item in self._content["paths"].items():
            if isinstance(given, str) and _form(self._below(given)) == _form(path):
                item = self.resolve(item)
                operation = self.resolve(item.get(method.lower()))
                if operation:
                    return {**operation, "parameters": [*_list(item, "parameters"), *_list(operation, "parameters")]}
        return None

    def query(self, operation: Object) -> dict[str, Object]:
        """Return the query parameters of an operation: name to its merged schema."""
        found = {}
        for parameter in map(self.resolve, _list(operation, "parameters")):
            if parameter.get("in") == "query" and isinstance(parameter.get("name"), str):
                found[parameter["name"]] = self.merged(parameter.get("schema", parameter))
        return found

    def body(self, operation: Object) -> Object:
        """Return the merged schema of the JSON body that an operation accepts."""
        return self.merged(_json(self.resolve(operation.get("requestBody")), self))

    def row(self, operation: Object) -> Object:
        """Return the merged schema of a row of a list: its response is an array, or has one at most two levels down."""
        responses = self.resolve(operation.get("responses"))
        ok = next((each for status, each in responses.items() if str(status).startswith("2")), None)
        return self._items(self.merged(_json(self.resolve(ok), self)), 2)

    def merged(self, schema: Any) -> Object:
        """Return a schema without references, with the properties of all its alternatives. Cycles end."""
        return self._merge(schema, frozenset())

    def words(self, schema: Any) -> list[str]:
        """Return the words that a schema allows: its enumeration, or that of its items or of a 'key'."""
        merged = self.merged(schema)
        found = [word for word in _list(merged, "enum") if isinstance(word, str) and word]
        if isinstance(merged.get("const"), str):
            found.append(merged["const"])
        for name in ("key", "value", "code"):
            inner = _object(merged.get("properties")).get(name)
            found += self.words(inner) if inner and not found else []
        return list(dict.fromkeys(found))

    def properties(self, schema: Any) -> Object:
        """Return the properties of a schema."""
        return _object(self.merged(schema).get("properties"))

    def all_properties(self) -> Iterator[tuple[str, Any]]:
        """Yield every property of every named schema."""
        schemas = _object(_object(self._content.get("components")).get("schemas"))
        for schema in (*schemas.values(), *_object(self._content.get("definitions")).values()):
            yield from self.properties(schema).items()

    def resolve(self, item: Any) -> Object:
        """Return an object, or what its local reference leads to; an empty object if there is none."""
        seen: set[str] = set()
        while isinstance(item, Mapping) and isinstance(reference := item.get("$ref"), str):
            if reference in seen or not reference.startswith("#"):
                return {}
            seen.add(reference)
            target: Any = self._content
            for name in reference.lstrip("#").strip("/").split("/"):
                name = unquote(name).replace("~1", "/").replace("~0", "~")
                target = target.get(name) if isinstance(target, Mapping) else None
            # In 3.1, other keys may be given with a reference.
            others = {name: value for name, value in item.items() if name != "$ref"}
            item = {**target, **others} if isinstance(target, Mapping) else {}
        return _object(item)

    def _merge(self, schema: Any, above: frozenset[str]) -> Object:
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if isinstance(reference, str):
            if reference in above:
                return {}
            above |= {reference}
        own = dict(self.resolve(schema))
        parts = [(kind, self._merge(part, above)) for kind in _MERGED for part in _list(own, kind)]
        merged = {name: value for name, value in own.items() if name not in _MERGED}
        required, properties, words = [*_list(own, "required")], dict(_object(own.get("properties"))), []
        for kind, part in parts:
            properties = {**_object(part.get("properties")), **properties}
            # Only what all alternatives require is required.
            required += _list(part, "required") if kind == "allOf" or _only(own, kind) else []
            words += _list(part, "enum") or ([part["const"]] if "const" in part else [])
            for name, value in part.items():
                if name not in ("required", "properties", "enum", "const") and (
                    name not in merged or (name == "type" and merged[name] == "null")
                ):
                    merged[name] = value
        if words and "enum" not in merged:
            merged["enum"] = words
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": list(dict.fromkeys(required))} if required else {}
        return merged

    def _items(self, schema: Object, levels: int) -> Object:
        if "items" in schema:
            return self.merged(schema["items"])
        for part in _object(schema.get("properties")).values() if levels else ():
            if found := self._items(self.merged(part), levels - 1):
                return found
        return {}

    def _below(self, path: str) -> str:
        prefix = self._api_path.rstrip("/") + "/"
        for server in ("", *self._servers):
            if (server + path).startswith(prefix):
                return (server + path).removeprefix(prefix)
        return path.lstrip("/")


def _only(schema: Object, kind: str) -> bool:
    """Return whether a schema has one alternative, apart from null."""
    others = [part for part in _list(schema, kind) if not (isinstance(part, Mapping) and part.get("type") == "null")]
    return len(others) == 1


def _form(path: str) -> tuple[str, ...]:
    """Return the parts of a path, all names in braces alike."""
    return tuple("{}" if part.startswith("{") else part for part in path.strip("/").split("/"))


def _json(holder: Object, schema: OpenApi) -> Any:
    """Return the schema of the JSON in a body or response; Swagger 2 has it without a media type."""
    content = _object(holder.get("content"))
    media = next((content[name] for name in content if "json" in name), next(iter(content.values()), None))
    return schema.resolve(media).get("schema", holder.get("schema"))


def _object(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def _list(holder: Object, name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
