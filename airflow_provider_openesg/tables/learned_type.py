"""What a decoder has learned about the records of one type: fields that the type does not know, and other names."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, Struct, ValidationError

from airflow_provider_openesg.hints import in_profile
from airflow_provider_openesg.records import ID, Many, RecordType, Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_openesg.client.translation import Translator

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
    :param sent_as: field to the name under which it is sent, where they differ.
    :param renamed: attribute to (expected name, name as sent), of fields that came under two names.
    :param has_unknown: whether a record, or one that it refers to, may have fields that its type does not know.
    """

    name: str
    references: tuple[str, ...]
    unknown: Mapping[str, str]
    sent_as: Mapping[str, str]
    renamed: Mapping[str, tuple[str, str]]
    has_unknown: bool


class LearnedType:
    """What is learned about the records of one type, beyond the type."""

    def __init__(self, type_: RecordType, translator: Translator) -> None:
        self._type = type_
        self._translator = translator
        self._parts = {
            name: LearnedType(expected.type, translator.part(name))
            for name, expected in type_.fields.items()
            if isinstance(expected, Ref | Many)
        }
        self._expected: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(ID if isinstance(expected, Ref) else expected)
            for name, expected in type_.fields.items()
            if not isinstance(expected, Many)
        }
        self._unknown: dict[str, None] = {}
        # A field that the user gave another name: its own name is an unknown field.
        self._sent_as: dict[str, str] = {
            field: name if name and "." not in name else f"{REST} {field}" for field, name in translator.given.items()
        }
        taken = {*self._sent_as.values()}
        self._sent_as |= {
            field: f"{REST} {field}" for field in type_.fields if field in taken and field not in self._sent_as
        }
        self._renamed: dict[str, str] = {}
        self._own: set[str] = set()
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
            rename={**self._sent_as, **{attribute: sent for attribute, (_, sent) in renamed.items()}, **unknown},
            forbid_unknown_fields=True,
            gc=False,  # records hold no cycles, and there are very many of them
            namespace={
                "layout": Layout(self._type.name, references, unknown, dict(self._sent_as), renamed, has_unknown)
            },
        )

    def known(self) -> int:
        """Return the number of differences learned."""
        return (
            len(self._unknown)
            + len(self._sent_as)
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
        names = self._translator.names(fields)
        for name in sorted(fields, key=lambda each: [*names].index(each) if each in names else len(names)):
            value = fields[name]
            if name in names:
                expected = self._field_of(name, names[name])
                fields[name] = self._normalize_field(expected, value, fields)
            elif name in self._unknown or (_can_be_a_field(name) and len(self._unknown) < MOST_LEARNED):
                self._unknown[name] = None
            else:
                rest[name] = fields.pop(name)
        if rest:
            self._unknown[REST] = None
            fields[REST] = Raw(msgspec.json.encode(rest))
        if self._type.identified and self._sent_as.get("id", "id") not in fields:
            raise ValueError(
                f"{self._type.name}: no 'id' in {shown(record)}. If it has another name, "
                + in_profile('[names], such as report.id = "number"')
            )
        return Raw(msgspec.json.encode(fields))

    def _field_of(self, name: str, field: str) -> str:
        """Return the field of a name, and learn the name: as that of the field, if it came under no other."""
        if name != self._sent_as.get(field, field) and name not in self._renamed:
            if field in self._sent_as or field in self._own:
                self._renamed[name] = field
            else:
                self._sent_as[field] = name
        elif name == field:
            self._own.add(field)
        return field

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
        number = record.get(self._sent_as.get("id", "id"))
        return self._type.name if number is None else f"{self._type.name} {bytes(number).decode()}"


def _can_be_a_field(name: str) -> bool:
    """Return whether msgspec accepts ``name`` as the name of a struct's field."""
    return name != REST and not any(character in '"\\' or character < " " for character in name)


def shown(value: Raw) -> str:
    """Return the beginning of JSON for an error message."""
    text = " ".join(bytes(value).decode("utf-8", "replace").split())
    return text if len(text) <= 80 else text[:80] + "\u2026"
