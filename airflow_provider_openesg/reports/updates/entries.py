"""Values to write, all checked against the template before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.parameters import did_you_mean
from airflow_provider_openesg.tables.value_format import NotWritableError, written, written_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_openesg.tables.template import TemplateField

PARTS = ("value", "unit", "measurement", "comment", "attachment", "instance_id")
ROW = ("field_key", *PARTS)
SHOWN = 12
"""Maximum number of field keys that a message lists."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Value to write to one field. ``repr`` shows no values.

    :param parts: of the field value: ``value`` (as text, ``None`` to clear it), ``measurement`` (its id), ``comment``;
        a missing part is not changed.
    :param attachment: path of a file.
    """

    field_type: TemplateField = field(repr=False)
    instance_id: str | int | None
    parts: Mapping[str, Any] = field(repr=False)
    attachment: Any = None

    @property
    def name(self) -> str:
        """Field key for messages, with the instance if it has one."""
        return (
            self.field_type.key if self.instance_id is None else f"{self.field_type.key} (instance {self.instance_id})"
        )

    @property
    def place(self) -> tuple[str, str | None]:
        """Field type and instance, as text."""
        return str(self.field_type.id), None if self.instance_id is None else str(self.instance_id)


def check_entries(
    field_values: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    fields: Mapping[str, TemplateField],
    *,
    own_units: bool = False,
) -> list[Entry]:
    """Check all values and return them as entries.

    :param field_values: values by field key, or dicts of :data:`PARTS` by field key, or a list of such dicts, each
        with its ``field_key``.
    :param own_units: whether each value of the platform has its own unit, which is then sent.
    :raises OpenESGConfigError: if values are invalid; names all of them by field key.
    """
    entries: dict[tuple[str, str | None], Entry] = {}
    faults: list[str] = []
    for number, (key, given) in enumerate(_pairs(field_values), 1):
        checked = _Checked(key, number, fields, own_units=own_units)
        entry = checked.entry(given)
        faults += checked.faults
        if entry is not None and entries.setdefault(entry.place, entry) is not entry:
            faults.append(f"{entry.name}: given twice; allowed: once")
    if faults:
        raise OpenESGConfigError(f"field_values: nothing was sent. Faults: {len(faults)}\n" + "\n".join(faults))
    return list(entries.values())


def _pairs(field_values: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(field_values, Mapping):
        return [
            (str(key), given if isinstance(given, Mapping) else {"value": given}) for key, given in field_values.items()
        ]
    pairs: list[tuple[str, Mapping[str, Any]]] = []
    for number, row in enumerate(field_values, 1):
        if not hasattr(row, "items"):
            raise OpenESGConfigError(f"field_values: row {number}: {row!r:.100} given; allowed: a dict.")
        named = {str(name).strip().lower(): value for name, value in row.items()}
        pairs.append((str(named.pop("field_key", None) or ""), named))
    return pairs


class _Checked:
    """Check of one value, which collects its faults."""

    def __init__(self, key: str, number: int, fields: Mapping[str, TemplateField], *, own_units: bool) -> None:
        self._own_units = own_units
        self._key = key.strip()
        self._fields = fields
        self._name = self._key or f"row {number}"
        self.faults: list[str] = []

    def entry(self, given: Mapping[str, Any]) -> Entry | None:
        """Return the entry, or ``None`` if there are faults."""
        known = self._fields.get(self._key)
        if known is None:
            self._fault("field_key", self._key or None, _near(self._key, self._fields))
            return None
        for part in given:
            if part not in PARTS:
                self._fault(part, given[part], f"the names {', '.join(PARTS)}")
        instance = self._instance(known, given.get("instance_id"))
        parts: dict[str, Any] = {}
        if "value" in given:
            parts["value"] = self._value(known, given["value"])
        unit = self._unit(known, given.get("unit"), has_value=parts.get("value") is not None)
        if unit is not None and self._own_units:
            parts["unit"] = unit
        measurement, comment = given.get("measurement"), given.get("comment")
        if measurement is not None:
            parts["measurement"] = known.measurements.get(str(measurement))
            if parts["measurement"] is None:
                self._fault(
                    "measurement", measurement, _any_of(known.measurements, "none: the field has no measurements")
                )
        if comment is not None:
            parts["comment"] = str(comment).strip()
            if not known.is_commentable:
                self._fault("comment", comment, "none: the field does not allow comments")
        attachment = given.get("attachment")
        if attachment is not None and not known.takes_attachment:
            self._fault("attachment", str(attachment), "none: the field does not allow files")
        return None if self.faults else Entry(known, instance, parts, attachment)

    def _instance(self, known: TemplateField, instance: Any) -> str | int | None:
        text = "" if instance is None else str(instance).strip()
        if known.repeats == bool(text):
            if text:
                self._name = f"{self._key} (instance {text})"
            return int(text) if text.isdecimal() else text or None
        several = "the id of an instance, because its section repeats"
        self._fault("instance_id", instance, several if known.repeats else "none: its section does not repeat")
        return None

    def _value(self, known: TemplateField, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            text = written(known.datatype, value)
            if known.datatype in ("decimal", "integer"):
                number = written_number(text)
                if (known.minimum is not None and number < known.minimum) or (
                    known.maximum is not None and number > known.maximum
                ):
                    raise NotWritableError(_bounds(known))
        except NotWritableError as error:
            self._fault("value", value, f"{error} ({known.datatype})")
            return None
        return text

    def _unit(self, known: TemplateField, unit: Any, *, has_value: bool) -> str | None:
        """Return the key of the unit; that of the only unit if none is given."""
        keys = list(dict.fromkeys(known.units.values()))
        if unit is None:
            if self._own_units and has_value and len(keys) > 1:
                self._fault("unit", None, ", ".join(keys))
            return keys[0] if has_value and len(keys) == 1 else None
        key = known.units.get(str(unit).strip().casefold())
        if key is None or (len(keys) > 1 and not self._own_units):
            allowed = keys if self._own_units and len(keys) > 1 else known.unit_names[:2]
            self._fault("unit", unit, _any_of(allowed, "none: the template does not list exactly one unit"))
        return key

    def _fault(self, part: str, value: Any, allowed: str) -> None:
        given = "nothing" if value is None else f"{value!r:.100}"
        self.faults.append(f"{self._name}: {part}: {given} given; allowed: {allowed}")


def _bounds(known: TemplateField) -> str:
    low = [f"from {known.minimum:f}"] if known.minimum is not None else []
    return " ".join(["numbers", *low, *([f"to {known.maximum:f}"] if known.maximum is not None else [])])


def _any_of(names: Iterable[str], none: str) -> str:
    return ", ".join(dict.fromkeys(names)) or none


def _near(key: str, known: Iterable[str]) -> str:
    """Return the keys that are allowed: the closest ones, or the first ones."""
    keys: Sequence[str] = sorted(known)
    if hint := did_you_mean(key, keys):
        return f"a field key of the report's template.{hint}"
    more = f", … ({len(keys)} in all)" if len(keys) > SHOWN else ""
    return f"the field keys of the report's template: {', '.join(keys[:SHOWN])}{more}"
