"""Keys, data types and units of the templates, joined to millions of field values."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import Struct

from airflow_provider_openesg.tables.decoder import as_text
from airflow_provider_openesg.tables.schemas import TEXT
from airflow_provider_openesg.tables.template import datatype, measurement_keys, unit, unit_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Key = int | str | None


class Lookup:
    """Records by template and id. Each has a number, so that whole columns can be taken at a time.

    :param attributes: text columns that are kept of each record, in addition to ``id``.
    :param describe: function that returns them for a record.
    """

    def __init__(self, *attributes: str, describe: Callable[[Any], Mapping[str, str | None]]) -> None:
        self._describe = describe
        self._columns: dict[str, list[str | None]] = {name: [] for name in ("id", *attributes)}
        self._numbers: dict[str, dict[Key, int | None]] = defaultdict(_nothing)
        self._by_key: dict[str, dict[str, int]] = defaultdict(dict)
        self._arrays: dict[str, pa.Array] = {}

    def add(self, template: str, record: Any, **attributes: str | None) -> int:
        """Add a record, or only an id, and return its number.

        An existing record is not changed. The same id may be sent as a number and as text.
        """
        record_id: Key = record.id if isinstance(record, Struct) else record  # type: ignore[attr-defined]
        numbers = self._numbers[template]
        number = numbers.get(str(record_id))
        if number is None:
            number = numbers[str(record_id)] = len(self._columns["id"])
            known = {
                **(self._describe(record) if isinstance(record, Struct) else {}),
                **attributes,
                "id": str(record_id),
            }
            for name, column in self._columns.items():
                column.append(known.get(name))
            self._arrays.clear()
            if isinstance(key := known.get("key"), str):
                self._by_key[template].setdefault(key, number)
        numbers[record_id] = number
        return number

    def numbers(self, template: str, ids: Sequence[Any], on_object: Callable[[int, Struct], None]) -> list[int | None]:
        """Return the number of each id, which may be a key; ids that no section lists are added.

        :param on_object: called with the position and the object if an object is sent for an id.
        """
        numbers = self._numbers[template]
        try:
            return list(map(numbers.__getitem__, ids))
        except (KeyError, TypeError):  # not listed, or an object: that has no hash
            for place, each in enumerate(ids):
                if isinstance(each, Struct):
                    on_object(place, each)
            return [self._number(template, each) for each in ids]

    def _number(self, template: str, each: Any) -> int | None:
        if each is None:
            return None
        record_id = each.id if isinstance(each, Struct) else each  # type: ignore[attr-defined]
        if isinstance(record_id, str) and self._numbers[template].get(record_id) is None:
            number = self._by_key[template].get(record_id)
            if number is not None:
                self._numbers[template][record_id] = number
                return number
        return self.add(template, each)

    def column(self, name: str, numbers: pa.Array) -> pa.DictionaryArray:
        """Return an attribute of the records with these numbers."""
        if name not in self._arrays:
            self._arrays[name] = pa.array(self._columns[name], TEXT)
        return pa.DictionaryArray.from_arrays(numbers, self._arrays[name], safe=False)


class Templates:
    """Sections, field types and measurements of the templates read so far.

    :param ids: id of each template by its id and by its key, of all templates of the platform; empty if not read.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._units: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        self.ids: dict[str, str] = {}
        self.sections = Lookup("key", describe=_key)
        self.field_types = Lookup("key", "datatype", "unit", "section", describe=_field_type)
        self.measurements = Lookup("key", describe=_key)

    def __contains__(self, template: str) -> bool:
        return template in self._known

    def id_of(self, reference: str | None) -> str | None:
        """Return the id of a template, of which records may have the key."""
        return self.ids.get(reference, reference) if reference is not None else None

    def unit_key(self, template: str | None, field_type: str | None, text: str) -> str | None:
        """Return the key of a unit that a field type lists; ``None`` if it does not list it."""
        return self._units[template or ""].get(field_type or "", {}).get(text.strip().casefold())

    def add(self, template: str, sections: Iterable[Any]) -> None:
        """Add the sections of a template."""
        self._known.add(template)
        for section in sections:
            self.sections.add(template, section)
            for field_type in section.field_types or ():
                self.field_types.add(template, field_type, section=as_text(section))
                self._units[template][str(field_type.id)] = unit_keys(field_type)
                for measurement, key in measurement_keys(field_type).items():
                    self.measurements.add(template, measurement, key=key)


def _key(record: Any) -> Mapping[str, str | None]:
    return {"key": as_text(record.key)}


def _field_type(record: Any) -> Mapping[str, str | None]:
    return {"key": as_text(record.key), "datatype": datatype(record), "unit": unit(record)}


def _nothing() -> dict[Key, int | None]:
    return {None: None}
