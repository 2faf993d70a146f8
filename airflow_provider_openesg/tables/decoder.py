"""Decode JSON to typed records: fast for the fields that are expected, without losing those that are not.

A :class:`RecordDecoder` starts with the fields of a record type. If a response has other fields, or fields of another
type, it decodes that response slowly, adds the difference to its class and decodes the next ones fast again. Fields
that it adds are kept as :class:`msgspec.Raw`, which is the text that was sent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct, ValidationError

from airflow_provider_openesg.api import ASSUMED, Api
from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.client.envelope import (
    Found,
    Page,
    Place,
    find,
    link_of,
    rows_of,
    single_record,
    total_of,
)
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.exceptions import OpenESGContractError
from airflow_provider_openesg.tables.learned_type import LearnedType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_openesg.records import RecordType

COMPARED = 10
"""Rows of a list that are compared with the record type before any is decoded."""


class RecordDecoder:
    """Decode the records of one type. Threads may share it.

    The first rows are compared with the type. If they need more than other names of fields, all rows are translated
    (:mod:`airflow_provider_openesg.client.translation`) before they are decoded.

    :param api: what is assumed, or what the user wrote down.
    :param differences: gets what is recognized.
    :param topic: name of the list in the log.
    """

    def __init__(
        self, type_: RecordType, api: Api = ASSUMED, differences: Differences | None = None, topic: str = ""
    ) -> None:
        self.translator = Translator(type_, api, differences)
        self._api = api
        self._differences = Differences(quiet=True) if differences is None else differences
        self._topic = topic or type_.name
        self._learned = LearnedType(type_, self.translator)
        self._lock = threading.Lock()
        self._type = type_
        self._translated: LearnedType | None = None
        self._compared = self._compared_records = 0
        self._envelope: Any = None
        self._has_signs = False
        self._found = Found(())
        self._build()

    def page(self, body: bytes) -> Page[Any]:
        """Decode a list of records in any of the platform's envelopes.

        :raises ValueError: if it is not such a list, or a record is not what it must be; names record and field.
        """
        if self._compared < COMPARED:
            self._compare(body)
        if self.translator.needed:
            return self._translated_page(body)
        try:
            if self._has_signs:
                return self._with_signs(body)
            return self._page(self._pages.decode(body))
        except ValidationError:
            return self._decode_new_fields(body)

    def record(self, body: bytes) -> Any:
        """Decode one record.

        :raises ValueError: if it is not what it must be; names record and field.
        """
        if self._compared_records < COMPARED:
            with self._lock:
                self._compared_records += 1
                self.translator.record(single_record(_decode(body), self.translator.fields_of))
        if not self.translator.needed:
            with contextlib.suppress(ValidationError):
                return self._records.decode(body)
        record = self.translator.record(single_record(_decode(body), self.translator.fields_of))
        with self._lock:
            return self._normalized([record])[0]

    def _page(self, content: Any) -> Page[Any]:
        if isinstance(content, list):
            return Page(content, [row.id for row in content])
        rows = _attribute(content, self._found.rows)
        if rows is None:  # a list without rows may be null
            raise ValidationError
        total, link = _attribute(content, self._found.total), _attribute(content, self._found.next)
        return Page(rows, [row.id for row in rows], total_of(total), link_of(link), self._found.is_token)

    def _with_signs(self, body: bytes) -> Page[Any]:
        """Decode a page whose envelope says more than the total and the link."""
        page, content = self._page(self._pages.decode(body)), _decode(body)
        return Page.of(page.rows, page.ids, content, find(content, self._api.envelope))

    def _compare(self, body: bytes) -> None:
        """Compare the first rows of a list with the record type."""
        with self._lock:
            content = _decode(body)
            found = find(content, self._api.envelope)
            rows = rows_of(content, found)[: COMPARED - self._compared]
            self.translator.records(rows)
            self._compared += len(rows)
            self._learn_envelope(content, found)

    def _learn_envelope(self, content: Any, found: Found) -> None:
        if not found.is_assumed:
            self._differences.recognize(self._topic, str(found))
        page: Page[Any] = Page.of([], [], content, found)
        self._has_signs = bool(page.more) or page.is_numbered
        if found.is_empty:
            return
        if found != self._found or (found.rows and self._envelope is None):
            self._found = found
            self._envelope = content if isinstance(content, dict) else None
            self._build()

    def _translated_page(self, body: bytes) -> Page[Any]:
        content = _decode(body)
        found = find(content, self._api.envelope)
        records = self.translator.records(rows_of(content, found))
        with self._lock:
            rows = self._normalized(records)
        return Page.of(rows, [row.id for row in rows], content, found)

    def _normalized(self, records: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return translated records as objects, with the fields that no record had before."""
        if self._translated is None:  # translated records have the names of this package
            self._translated = LearnedType(self._type, Translator(self._type))
            self._build_translated(self._translated)
        encoded = _encode(records)
        rows: list[Any]
        try:
            rows = self._translated_lists.decode(encoded)
        except ValidationError:
            raws = msgspec.json.decode(encoded, type=list[Raw])
            encoded = msgspec.json.encode([self._translated.normalize(raw) for raw in raws])
            self._build_translated(self._translated)
            rows = self._translated_lists.decode(encoded)
        return rows

    def _build_translated(self, learned: LearnedType) -> None:
        self._translated_lists: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[learned.struct()])  # type: ignore[misc]

    def _build(self) -> None:
        record = self._learned.struct()
        rows: Any = list[record]  # type: ignore[valid-type]
        self._records: msgspec.json.Decoder[Any] = msgspec.json.Decoder(record)
        self._lists: msgspec.json.Decoder[Any] = msgspec.json.Decoder(rows)
        envelope = _envelope_type(self._envelope or {}, self._found, rows) if self._envelope is not None else None
        self._pages: msgspec.json.Decoder[Any] = self._lists if envelope is None else msgspec.json.Decoder(envelope)

    def _decode_new_fields(self, body: bytes) -> Page[Any]:
        """Decode a page with new fields. Most often it is one field, which one record is enough to learn."""
        with self._lock:
            content = _decode(body)
            found = find(content, self._api.envelope)
            self._learn_envelope(content, found)
            if found.is_empty:
                return Page.of([], [], content, found)
            self._envelope = content if isinstance(content, dict) else None
            self._build()
            rows = rows_of(content, found)
            with contextlib.suppress(ValidationError):
                return self._page(self._pages.decode(body))
            raws = _raw_rows(body, found)
            normalized: list[Raw] = []
            for number, row in enumerate(raws):
                self.translator.records(rows[number : number + 1])
                if self.translator.needed:
                    break
                known = self._learned.known()
                normalized.append(self._learned.normalize(row))
                if self._learned.known() > known:
                    self._build()
                    with contextlib.suppress(ValidationError):
                        return self._page(self._pages.decode(body))
            else:
                self._build()
                records = self._lists.decode(msgspec.json.encode(normalized))
                return Page.of(records, [row.id for row in records], content, found)
        return self._translated_page(body)


_decoder = msgspec.json.Decoder(float_hook=Decimal)


def _decode(body: bytes) -> Any:
    """Return decoded JSON; numbers keep all their digits.

    :raises OpenESGContractError: if it is not UTF-8.
    """
    try:
        return _decoder.decode(body)
    except UnicodeDecodeError as error:
        raise OpenESGContractError(
            f"The platform sent JSON that is not UTF-8: {error}. Report it to the platform's vendor."
        ) from None


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _envelope_type(content: Mapping[str, Any], found: Found, rows: Any, above: Place = ()) -> Any:
    """Return a class for an envelope. Names that the envelope did not have so far are an error: they may be a total."""
    fields: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for number, (name, value) in enumerate(content.items()):
        place = (*above, name)
        attribute = f"part_{number}"
        rename[attribute] = name
        if place == found.rows:
            fields.append((attribute, rows | None, None))
        elif place in (found.total, found.next):
            fields.append((attribute, Any, None))
        elif isinstance(value, Mapping) and any(
            other is not None and other[: len(place)] == place for other in (found.rows, found.total, found.next)
        ):
            fields.append((attribute, _envelope_type(value, found, rows, place), None))
        else:
            fields.append((attribute, Raw, None))
    return msgspec.defstruct("Envelope", fields, rename=rename, forbid_unknown_fields=True)


def _attribute(content: Any, place: Place | None) -> Any:
    """Return the part of a decoded envelope at a place."""
    for name in place or ():
        if content is None or name not in content.__struct_encode_fields__:
            return None
        content = getattr(content, content.__struct_fields__[content.__struct_encode_fields__.index(name)])
    return content if place is not None else None


def _raw_rows(body: bytes, found: Found) -> list[Raw]:
    content = Raw(body)
    for name in found.rows:
        content = msgspec.json.decode(content, type=dict[str, Raw])[name]
    return msgspec.json.decode(content, type=list[Raw])


def field_of(record: Any, name: str) -> Any:
    """Return a field of a decoded record, also if it was sent under an alternative name."""
    value = getattr(record, name)
    for attribute, (expected, sent) in record.layout.renamed.items():
        other = getattr(record, attribute) if expected == name else None
        if other is not None and (value is None or sent == name):
            value = other
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
