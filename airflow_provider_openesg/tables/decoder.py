"""Decode JSON to typed records: fast for the fields that are expected, without losing those that are not.

A :class:`RecordDecoder` starts with the fields of a record type. If a response has other fields, or fields of another
type, it decodes that response slowly, adds the difference to its class and decodes the next ones fast again. Fields
that it adds are kept as :class:`msgspec.Raw`, which is the text that was sent.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, ValidationError

from airflow_provider_openesg.api import COUNT, ITEMS, NEXT, RESULTS
from airflow_provider_openesg.client.pagination import Page
from airflow_provider_openesg.records import ID, OTHER_NAMES, Many, RecordType, Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

REST = f"\u2026rest {secrets.token_hex(8)}"
"""Name, which no platform can send, for all fields that cannot be fields of a struct."""

MOST_LEARNED = 100
"""Maximum number of fields that are added to a class: records may use field names as data."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Description of the class of a decoded record, in its attribute ``layout``.

    :param name: name of the record in error messages.
    :param references: fields that may be objects.
    :param unknown: attribute to field name, of fields that the record type does not know; Raw, or None where absent.
    :param renamed: attribute to (expected name, name as sent), of fields that came under another name.
    :param has_unknown: whether a record, or one that it refers to, may have fields that its type does not know.
    """

    name: str
    references: tuple[str, ...]
    unknown: Mapping[str, str]
    renamed: Mapping[str, tuple[str, str]]
    has_unknown: bool


class RecordDecoder:
    """Decode the records of one type. Threads may share it."""

    def __init__(self, type_: RecordType) -> None:
        self._learned = _LearnedType(type_)
        self._lock = threading.Lock()
        self._build()

    def page(self, body: bytes) -> Page[Any]:
        """Decode a list of records in any of the platform's envelopes.

        :raises ValueError: if it is not such a list, or a record is not what it must be; names record and field.
        """
        try:
            content = self._pages.decode(body)
        except ValidationError:
            content = self._decode_new_fields(body)
        if isinstance(content, list):
            return Page(content, [row.id for row in content])
        rows = content.items if content.items is not None else content.results
        if rows is None:
            raise _no_list()
        return Page(rows, [row.id for row in rows], content.count, content.next or None)

    def record(self, body: bytes) -> Any:
        """Decode one record.

        :raises ValueError: if it is not what it must be; names record and field.
        """
        try:
            return self._records.decode(body)
        except ValidationError:
            with self._lock:
                body = bytes(self._learned.normalize(Raw(body)))
                self._build()
                return self._records.decode(body)

    def _build(self) -> None:
        record = self._learned.struct()
        rows = list[record] | None  # type: ignore[valid-type]
        envelope = msgspec.defstruct(
            "Envelope",
            [
                ("items", rows, None),
                ("results", rows, None),
                ("count", Annotated[int, Meta(ge=0)] | None, None),
                ("next", str | None, None),
            ],
            rename={"items": ITEMS, "results": RESULTS, "count": COUNT, "next": NEXT},
        )
        self._records: msgspec.json.Decoder[Any] = msgspec.json.Decoder(record)
        self._pages: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[record] | envelope)  # type: ignore[valid-type]

    def _decode_new_fields(self, body: bytes) -> Any:
        """Decode a page with new fields. Most often it is one field, which one record is enough to learn."""
        content = msgspec.json.decode(body, type=dict[str, Raw] | list[Raw])
        listed = content if isinstance(content, list) else content.pop(ITEMS, None) or content.get(RESULTS)
        if isinstance(listed, Raw) and bytes(listed).lstrip().startswith(b"["):
            listed = msgspec.json.decode(listed, type=list[Raw])
        if not isinstance(listed, list):
            raise _no_list()
        with self._lock:
            normalized: list[Raw] = []
            for row in listed:
                known = self._learned.known()
                normalized.append(self._learned.normalize(row))
                if self._learned.known() > known:
                    self._build()
                    with contextlib.suppress(ValidationError):
                        return self._pages.decode(body)
            self._build()
            body = msgspec.json.encode(
                normalized if isinstance(content, list) else {**content, ITEMS: normalized, RESULTS: None}
            )
            return self._pages.decode(body)


class _LearnedType:
    """What is learned about the records of one type, beyond the type."""

    def __init__(self, type_: RecordType) -> None:
        self._type = type_
        self._parts = {
            name: _LearnedType(expected.type)
            for name, expected in type_.fields.items()
            if isinstance(expected, Ref | Many)
        }
        self._expected: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(ID if isinstance(expected, Ref) else expected)
            for name, expected in type_.fields.items()
            if not isinstance(expected, Many)
        }
        self._unknown: dict[str, None] = {}
        self._renamed: dict[str, str] = {}
        self._untyped: set[str] = set()

    def struct(self) -> type[Struct]:
        """Return a class for the fields seen so far."""
        fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
        types: dict[str, Any] = {}
        has_unknown = bool(self._unknown)
        for name, expected in self._type.fields.items():
            match expected:
                case Ref():
                    part = self._parts[name].struct()
                    types[name] = int | str | part | None
                    has_unknown |= part.layout.has_unknown  # type: ignore[attr-defined]
                case Many():
                    types[name] = list[self._parts[name].struct()] | None  # type: ignore[misc]
                case _:
                    types[name] = Raw if name in self._untyped else expected
            if name == "id" and self._type.identified:
                fields.append((name, int | str))
            else:
                # Absent parts are fetched by a separate request; null means that the record has none.
                fields.append((name, types[name], UNSET if isinstance(expected, Many) else None))
        renamed = {f"renamed_{i}": (name, sent) for i, (sent, name) in enumerate(self._renamed.items())}
        unknown = {f"unknown_{i}": name for i, name in enumerate(self._unknown)}
        fields += [(attribute, types[name], None) for attribute, (name, _) in renamed.items()]
        fields += [(attribute, Raw, None) for attribute in unknown]
        references = tuple(name for name, expected in self._type.fields.items() if isinstance(expected, Ref))
        return msgspec.defstruct(
            "Record",
            fields,
            rename={**{attribute: sent for attribute, (_, sent) in renamed.items()}, **unknown},
            forbid_unknown_fields=True,
            gc=False,  # records hold no cycles, and there are very many of them
            namespace={"layout": Layout(self._type.name, references, unknown, renamed, has_unknown)},
        )

    def known(self) -> int:
        """Return the number of differences learned."""
        return (
            len(self._unknown)
            + len(self._renamed)
            + len(self._untyped)
            + sum(part.known() for part in self._parts.values())
        )

    def normalize(self, record: Raw) -> Raw:
        """Learn the new fields of ``record`` and return it in a form that :meth:`struct` accepts.

        :raises ValueError: if it has no id, or a part of it is not what it must be.
        """
        try:
            fields = msgspec.json.decode(record, type=dict[str, Raw])
        except ValidationError:
            raise ValueError(f"{self._type.name}: expected an object, not {shown(record)}") from None
        rest = {}
        for name, value in list(fields.items()):
            if name in self._type.fields:
                fields[name] = self._normalize_field(name, value, fields)
            elif expected := self._expected_name(name):
                self._renamed[name] = expected
                fields[name] = self._normalize_field(expected, value, fields)
            elif name in self._unknown or (_can_be_a_field(name) and len(self._unknown) < MOST_LEARNED):
                self._unknown[name] = None
            else:
                rest[name] = fields.pop(name)
        if rest:
            self._unknown[REST] = None
            fields[REST] = Raw(msgspec.json.encode(rest))
        if self._type.identified and "id" not in fields:
            raise ValueError(f"{self._type.name}: no 'id' in {shown(record)}")
        return Raw(msgspec.json.encode(fields))

    def _expected_name(self, name: str) -> str | None:
        return next((other for other in OTHER_NAMES.get(name, ()) if other in self._type.fields), None)

    def _normalize_field(self, name: str, value: Raw, record: Mapping[str, Raw]) -> Raw:
        expected = self._type.fields[name]
        start = bytes(value)[:1]
        try:
            if isinstance(expected, Ref) and start == b"{":
                return self._parts[name].normalize(value)
            if isinstance(expected, Many) and start == b"[":
                parts = msgspec.json.decode(value, type=list[Raw])
                return Raw(msgspec.json.encode([self._parts[name].normalize(part) for part in parts]))
        except ValueError as error:
            raise ValueError(f"{self._named(record)}: {error}") from None
        if isinstance(expected, Many):
            wanted = None if start == b"n" else "a list"
        elif isinstance(expected, Ref):
            wanted = None if self._fits(name, value) else "an id, or an object that has one"
        elif name == "id" and self._type.identified:
            wanted = None if self._fits(name, value) and start != b"n" else "text or an integer"
        else:
            wanted = None
            if not self._fits(name, value):
                self._untyped.add(name)
        if wanted:
            raise ValueError(f"{self._named(record)}: {name!r} must be {wanted}, not {shown(value)}")
        return value

    def _fits(self, name: str, value: Raw) -> bool:
        try:
            self._expected[name].decode(value)
        except ValidationError:
            return False
        return True

    def _named(self, record: Mapping[str, Raw]) -> str:
        return f"{self._type.name} {bytes(record['id']).decode()}" if "id" in record else self._type.name


def field_of(record: Any, name: str) -> Any:
    """Return a field of a decoded record, also if it was sent under an alternative name."""
    value = getattr(record, name)
    for attribute, (expected, _) in record.layout.renamed.items():
        if value is None and expected == name:
            value = getattr(record, attribute)
    return value


def as_text(value: Any) -> str | None:
    """Return a decoded scalar as text, and of a reference its id; ``None`` for anything else."""
    if isinstance(value, Struct):
        return as_text(value.id)  # type: ignore[attr-defined]
    if isinstance(value, Raw):
        try:
            return scalar_text(value)
        except ValueError:
            return None
    return None if value is None else str(value)


def scalar_text(raw: Raw) -> str | None:
    """Return a JSON scalar as text.

    :raises ValueError: if it is an object or a list.
    """
    text = bytes(raw).decode()
    if text[0] in "{[":
        raise ValueError
    if text[0] == '"':
        return msgspec.json.decode(raw, type=str)
    return None if text == "null" else text


def _can_be_a_field(name: str) -> bool:
    """Return whether msgspec accepts ``name`` as the name of a struct's field."""
    return name != REST and not any(character in '"\\' or character < " " for character in name)


def shown(value: Raw) -> str:
    """Return the beginning of JSON for an error message."""
    text = " ".join(bytes(value).decode("utf-8", "replace").split())
    return text if len(text) <= 80 else text[:80] + "\u2026"


def _no_list() -> ValueError:
    return ValueError(f"expected a list: {{{ITEMS!r}: [...], {COUNT!r}: n}}, {{{RESULTS!r}: [...]}} or [...]")
