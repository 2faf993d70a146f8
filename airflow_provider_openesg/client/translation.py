"""Translate records of a platform to the fields and words of this package. The only place that knows their differences.

Used for single records and for lists, with parsed JSON. :mod:`airflow_provider_openesg.tables.decoder` decodes records
that need no translation, or only other names, without it, because that is many times faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow_provider_openesg.api import ASSUMED, DATATYPES, Api
from airflow_provider_openesg.client.conversion import (
    PARTS_OF_VALUES,
    from_json_api,
    is_link_to_parts,
    iso_date,
    known_statuses,
    last_part,
    list_of_values,
    spelled,
    text_of_object,
    unknown_status,
)
from airflow_provider_openesg.client.differences import Differences
from airflow_provider_openesg.client.envelope import Place, at
from airflow_provider_openesg.client.names import DATES, PERIODS, nested, plain_name, resolve
from airflow_provider_openesg.client.source import reference
from airflow_provider_openesg.records import (
    DATE,
    FIELD_TYPE,
    FIELD_VALUE,
    MEASUREMENT,
    METRIC_TYPE,
    RECORDS,
    REPORT,
    REPORT_REQUEST,
    SECTION,
    TEXT,
    USER,
    Many,
    RecordType,
    Ref,
)

DATATYPE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "bool": "boolean", "int": "integer", "number": "decimal", "numeric": "decimal", "float": "decimal",
        "double": "decimal", "date_range": "daterange", "nace": "eu_economic_activity", "str": "string",
        "char": "short_text", "long_text": "text", "currency": "decimal", "money": "decimal", "percent": "decimal",
        "percentage": "decimal", "big_decimal": "decimal", "real": "decimal", "long": "integer", "nace_code":
        "eu_economic_activity", "date": "daterange", "period": "daterange",
    }
)  # fmt: skip
"""Usual words for data types, in snake case. A value is only typed if its text is one of that type."""

_LABELS = ("key", "code", "value", "slug", "id", "name")
"""Names in an object sent for a word, such as ``{"key": "submitted", "label": "Eingereicht"}``."""

_ONE_UNIT = ("unit", "default_unit", "unit_key", "unit_of_measure", "uom")
"""Names of the only unit of a field type."""

_CHILDREN = ("children", "subsections", "sub_sections", "sections", "items", "nested", "nodes")
"""Names of the sections inside a section."""

_READ = {
    FIELD_TYPE.name: _ONE_UNIT,
    METRIC_TYPE.name: _ONE_UNIT,
    SECTION.name: _CHILDREN,
    REPORT.name: ("sections",),
    FIELD_VALUE.name: ("section_id", "section_key"),
}
"""Names that are read without being that of a field."""

MOST_PLANS = 1000
"""Maximum number of sets of names that are remembered of one type."""


class Translator:
    """Translate the records of one type, and learn from them. Threads may share it.

    :param type_: the type.
    :param api: what is assumed, or what the user wrote down.
    :param differences: gets what is recognized, and words that are not known.
    :param is_whole: whether the records have all their fields, so that missing ones are a difference.
    """

    def __init__(
        self,
        type_: RecordType,
        api: Api = ASSUMED,
        differences: Differences | None = None,
        *,
        is_whole: bool = True,
    ) -> None:
        self.type = type_
        self.converts = False
        self._is_whole = is_whole
        self._api = api
        self.differences = Differences(quiet=True) if differences is None else differences
        self._given = api.names.get(next((name for name, each in RECORDS.items() if each is type_), ""), {})
        self.given = {field: name for field, name in self._given.items() if field != name and field in type_.fields}
        self._plans: dict[tuple[str, ...], tuple[dict[str, str], dict[str, Place]]] = {}
        self._words_met: dict[str, str] = {}
        self._sent: dict[str, str] = {}
        self._parts: dict[str, Translator] = {}
        self._is_request = type_ is REPORT_REQUEST

    def part(self, field: str) -> Translator:
        """Return the translator of the records inside a field."""
        if field not in self._parts:
            expected = self.type.fields[field]
            # References often have only some fields of the record.
            is_whole = isinstance(expected, Many) or expected.type is USER
            self._parts[field] = Translator(expected.type, self._api, self.differences, is_whole=is_whole)
        return self._parts[field]

    @property
    def met(self) -> set[str]:
        """The fields that a record had so far."""
        return {*self._sent}

    @property
    def needed(self) -> bool:
        """Whether a record met so far needs more than other names of its fields."""
        return self.converts or any(part.needed for part in self._parts.values())

    def names(self, sent: Mapping[str, Any]) -> dict[str, str]:
        """Return the field of each name of a record; names that are no field are left out."""
        return self._plan(sent)[0]

    def fields_of(self, sent: Mapping[str, Any]) -> set[str]:
        """Return the fields of the record that an object seems to have."""
        return {*resolve(self.type, sent, self._given).values()}

    def their_name(self, field: str) -> str:
        """Return the platform's name for a field, to send it: as it was received, or in the spelling of others."""
        given = self._given.get(field, "")
        if given and "." not in given:
            return given
        return self._sent.get(field) or spelled(field, [*self.differences.spellings], self.type)

    def their_word(self, field: str, word: Any) -> Any:
        """Return the platform's word for a status or a data type, if it is known."""
        words = self._words_met | {ours: theirs for theirs, ours in self._table(field).items()}
        return words.get(word, word) if isinstance(word, str) else word

    def record(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with the fields and words of this package; other fields are kept as they are.

        :raises ValueError: if it is not an object.
        """
        if not isinstance(sent, Mapping):
            raise ValueError(f"{self.type.name}: expected an object, not {sent!r:.80}")
        if isinstance(sent.get("attributes"), Mapping) and "attributes" not in self.type.fields:
            sent = from_json_api(sent)
            self._convert("attributes of JSON:API")
        names, places = self._plan(sent)
        record = dict(sent)
        for name, field in names.items():
            if isinstance(self.type.fields[field], Many) and is_link_to_parts(record[name]):
                record[f"{field}_sent"] = record.pop(name)
                record[name] = None  # only ids or a URL: the parts have a separate path
                self._convert(f"{field!r} as ids or URLs")
        for name, field in names.items():
            value = record.pop(name)
            if record.get(field) is None or name == field:
                value = self._value(field, value)
                if name != field and value is None and field in record:
                    continue
                record[field] = value
            else:
                record[name] = value
        for field, place in places.items():
            value = at(sent, place)
            if value is not None and (record.get(field) is None or field in self._given):
                record[field] = self._value(field, value)
                self._convert(f"{field!r} under {'.'.join(place)!r}")
        for outer in {place[0] for place in places.values() if isinstance(sent.get(place[0]), Mapping)}:
            left = {name: part for name, part in sent[outer].items() if (outer, name) not in places.values()}
            if outer not in places:
                record.pop(outer, None)
            if left:
                record[f"{outer}_sent" if outer in places else outer] = left
        return self._special(record)

    def records(self, sent: Any) -> list[dict[str, Any]]:
        """Return the records of a list; a tree of sections becomes a list.

        :raises ValueError: if an item is not an object.
        """
        translated = []
        for item in sent:
            record = self.record(item)
            translated.append(record)
            names = [name for name in record if plain_name(name) in _CHILDREN] if self.type is SECTION else []
            children = record[name] if (name := next(iter(names), None)) is not None else None
            if name is not None and isinstance(children, list) and all(isinstance(each, Mapping) for each in children):
                del record[name]
                self._convert(f"a tree of {name!r}")
                below = [
                    {**child, "parent_id": child.get("parent_id", record.get("id"))} for child in self.records(children)
                ]
                translated += below
        if self.type is SECTION:
            self._parents_by_key(translated)
        return translated

    def _parents_by_key(self, sections: list[dict[str, Any]]) -> None:
        """Replace the key of a section's parent by its id."""
        ids = {str(each.get("id")) for each in sections}
        keys = {each["key"]: each.get("id") for each in sections if isinstance(each.get("key"), str)}
        for section in sections:
            parent = reference(section, "parent_id")
            if isinstance(parent, str) and parent not in ids and parent in keys:
                section["parent_id"] = keys[parent]
                self._convert("'parent_id' by key")

    def _plan(self, sent: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Place]]:
        """Return the field of each name, and the places of fields in objects of the record."""
        periods = [name for name in sent if isinstance(sent[name], Mapping) and plain_name(name) in PERIODS]
        key = (*sent, *(f"{name}: {sorted(sent[name])}" for name in periods))
        if key not in self._plans:
            if len(self._plans) >= MOST_PLANS:  # records may use names as data
                self._plans.clear()
            names = resolve(self.type, sent, self._given)
            places = nested(self.type, sent, self._given)
            # A period goes before dates that may be those of the process.
            names = {
                name: field for name, field in names.items() if field not in places or plain_name(name) not in DATES
            }
            for name, field in names.items():
                self._sent.setdefault(field, name)
                if name != field and plain_name(name) in (field, f"{field}_id"):
                    self.differences.spellings.setdefault(name)
                if name != field:
                    self.differences.recognize(self.type.name, f"{field!r} under {name!r}")
            self._plans[key] = names, places
            if self._is_whole and len(self.differences.fields.get(self.type.name, ())) < MOST_PLANS:
                read = {name for name in sent if plain_name(name) in _READ.get(self.type.name, ())}
                unknown = {*sent} - {*names} - read - {place[0] for place in places.values()}
                self.differences.meet(self.type.name, tuple(sorted(unknown)), (*names.values(), *places))
        return self._plans[key]

    def _convert(self, what: str) -> None:
        if not self.converts or what:
            self.converts = True
            self.differences.recognize(self.type.name, what)

    def _value(self, field: str, value: Any) -> Any:
        expected = self.type.fields[field]
        if value is None:
            return None
        if isinstance(expected, Ref):
            return self._reference(field, value)
        if isinstance(expected, Many):
            return self.part(field).records(value) if isinstance(value, list) else value
        if field == "id":
            return self._id(value)
        if field in ("units", "measurements") and isinstance(value, list):
            part = self._parts.setdefault(field, Translator(MEASUREMENT, self._api, self.differences))
            named = [part.record(each) if isinstance(each, Mapping) else each for each in value]
            if named != value:
                self._convert(f"{field!r} with other names")
            return named
        if expected is TEXT and isinstance(value, Mapping) and field != "attachment":
            word = next((value[name] for name in _LABELS if isinstance(value.get(name), str | int)), None)
            if field == "value" or word is None:
                return value
            self._convert(f"{field!r} as an object")
            value = str(word)
        if field in ("status", "datatype") and isinstance(value, int) and not isinstance(value, bool):
            self._convert(f"{field!r} as a number")
            value = str(value)
        if field in ("status", "datatype") and isinstance(value, str):
            return self._word(field, value)
        if expected is DATE and isinstance(value, str):
            day = iso_date(value)
            if day is not None and day != value:
                self._convert(f"{field!r} as {'a time' if 'T' in value else 'a German date'}")
                return day
        return value

    def _id(self, value: Any) -> Any:
        if isinstance(value, str) and "/" in value:
            self._convert("ids as URLs")
            return last_part(value)
        return value

    def _reference(self, field: str, value: Any) -> Any:
        if isinstance(value, str):
            if "/" in value:
                self._convert(f"{field!r} as a URL")
                return last_part(value)
            return value
        if not isinstance(value, Mapping):
            return value
        part = self.part(field)
        record = part.record(value)
        if record.get("id") is None and isinstance(record.get("key"), str | int):
            self._convert(f"{field!r} by key")
            record["id"] = record["key"]
        return record

    def _word(self, field: str, word: str) -> str:
        """Return a status or a data type in the words of this package; an unknown word as it is, with a difference."""
        words, known = self._known(field)
        if field == "datatype" and word in known:
            self.differences.datatypes[word] = True
        if word in known:
            return word
        plain = plain_name(word)
        ours = words.get(word.casefold()) or (plain if plain in known else None)
        if ours is None and field == "datatype":
            ours = DATATYPE_WORDS.get(plain)
        if ours is None:
            self._unknown(field, word)
            return word
        self._words_met[ours] = word
        if field == "datatype":
            self.differences.datatypes[ours] = True
        self._convert(f"{field} {word!r} is {ours!r}")
        return ours

    def _table(self, field: str) -> Mapping[str, str]:
        """Return the words that the user wrote down."""
        words = self._api.words
        return words.datatype if field == "datatype" else words.request_status if self._is_request else words.status

    def _known(self, field: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
        known = DATATYPES if field == "datatype" else known_statuses(self.type)
        return {word.casefold(): ours for word, ours in self._table(field).items()}, known

    def _unknown(self, field: str, word: str) -> None:
        if field == "datatype":  # newer ones are text; column_check compares all of them
            self.differences.datatypes.setdefault(word, False)
            return
        if self.type in (REPORT, REPORT_REQUEST):
            self.differences.add(unknown_status(self.type, word))

    def _special(self, record: dict[str, Any]) -> dict[str, Any]:
        """Translate what concerns several fields of a record."""
        if self.type is FIELD_VALUE:
            self._value_object(record)
        elif self.type in (FIELD_TYPE, METRIC_TYPE):
            self._units(record)
        elif self.type is REPORT and record.get("field_values") is None and isinstance(record.get("sections"), list):
            sections = record["sections"]
            inside = [list_of_values(section) for section in sections if isinstance(section, Mapping)]
            if not sections or any(each is not None for each in inside):
                values = [
                    {"section": section.get("id", section.get("uuid", section.get("key"))), **value}
                    for section, of_section in zip(sections, inside, strict=True)
                    for value in of_section or ()
                ]
                record["field_values"] = self.part("field_values").records(values)
                del record["sections"]
                self._convert("'field_values' in 'sections'")
        if self.type is REPORT and isinstance(record.get("field_values"), list):
            self._ids_of_values(record)
        return record

    def _units(self, record: dict[str, Any]) -> None:
        """Make a list of the units, which may be one unit under its own name."""
        name = next((name for name in record if plain_name(name) in _ONE_UNIT and record[name] not in (None, "")), None)
        if record.get("units") is None and name is not None:
            record["units"] = self._value("units", [record.pop(name)])
            self._convert(f"'units' under {name!r}")
        elif isinstance(record.get("units"), str | Mapping):
            record["units"] = self._value("units", [record["units"]])
            self._convert("'units' as one unit")

    def _ids_of_values(self, report: dict[str, Any]) -> None:
        """Set the ids of values that have none, the same in each run."""
        for value in report["field_values"]:
            if isinstance(value, dict) and value.get("id") is None:
                parts = (report.get("id"), reference(value, "field_type"), value.get("instance_id"))
                value["id"] = "/".join(str(part) for part in parts if part is not None)
                self._convert("ids of values from report, field type and instance")

    def _value_object(self, record: dict[str, Any]) -> None:
        """Replace a value that is an object: an amount with its unit, or the start and end of a range."""
        value = record.get("value")
        if value is None and isinstance(record.get("value_complex"), Mapping):
            text, unit = text_of_object(record["value_complex"])
        elif isinstance(value, Mapping):
            text, unit = text_of_object(value)
            others = {*map(plain_name, value)} - PARTS_OF_VALUES
            if text is not None and others and record.get("value_complex") is None:
                record["value_complex"] = dict(value)
        else:
            return
        if text is None:
            return
        record["value"] = text
        if unit is not None and record.get("unit") is None:
            record["unit"] = unit
        self._convert("values as objects")
