"""Report templates, built from the data in :mod:`airflow_provider_openesg.sandbox.vsme`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_openesg.sandbox.vsme import SUPPLIER_BASICS, UNITS, VSME

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASUREMENTS = (
    {"id": 1, "key": "estimation", "name": "Estimation"},
    {"id": 2, "key": "measurement", "name": "Measurement"},
)
_METRIC_IDS: dict[str, int] = {}
_UNIT_IDS = {key: number for number, key in enumerate(sorted(UNITS), 1)}


@dataclass(frozen=True, slots=True)
class FieldType:
    """A question of a template. ``fact`` is the key of its answer in a company's answers."""

    id: int
    key: str
    fact: str
    datatype: str
    required: bool
    measured: bool
    attachment: str
    is_commentable: bool
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a template."""

    id: int
    key: str
    multi_instance: bool
    parent_id: int | None
    record: dict[str, Any]
    field_types: tuple[FieldType, ...]


@dataclass(frozen=True)
class Template:
    """A report template."""

    id: int
    key: str
    record: dict[str, Any]
    sections: tuple[Section, ...] = field(repr=False)

    @cached_property
    def field_types(self) -> dict[int, tuple[Section, FieldType]]:
        """Field types by ID, each with its section."""
        return {each.id: (section, each) for section in self.sections for each in section.field_types}


def _template(number: int, key: str, name: str, description: str, text: str, prefix: str) -> Template:
    catalog = {"id": number, "key": f"{key}-catalog", "name": f"{name}: catalog"}
    record = {
        "id": number,
        "organization": None,
        "key": key,
        "name": name,
        "description": description,
        "catalog": catalog,
    }
    return Template(number, key, record, tuple(_sections(text, prefix, 100 * number, 1000 * number)))


def _sections(text: str, prefix: str, section_id: int, field_id: int) -> Iterator[Section]:
    parent_id: int | None = None
    for block in _blocks(text.strip().splitlines()):
        section_id += 1
        is_module = block[0].startswith("= ")
        key, name = block[0].removeprefix("= ").split(" | ")
        multi = key.endswith("*")
        key = f"{prefix}.{key.removesuffix('*')}"
        fields = []
        for line in block[1:]:
            field_id += 1
            fields.append(_field_type(field_id, key, prefix, line))
        own_parent = None if is_module else parent_id
        record = {
            "id": section_id,
            "key": key,
            "name": name,
            "description": "",
            "is_commentable": multi,
            "multi_instance": multi,
            "parent_id": own_parent,
            "field_types": [each.record for each in fields],
        }
        if is_module:
            parent_id = section_id
        yield Section(section_id, key, multi, own_parent, record, tuple(fields))


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    starts = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start:end]


def _field_type(number: int, section_key: str, prefix: str, line: str) -> FieldType:
    name_key, name, kind, flags = (part.strip() for part in line.split("|"))
    datatype, _, unit = kind.partition(" ")
    marks, _, bounds = flags.rpartition(" ") if ".." in flags else (flags, "", "")
    low, _, high = bounds.partition("..")
    key = f"{section_key}.{name_key}"
    attachment = "required" if "A" in marks else "optional" if "a" in marks else "none"
    record = {
        "id": number,
        "key": key,
        "name": name,
        "description": "",
        "label": UNITS[unit] if unit else "",
        "metric_type": {
            "id": _METRIC_IDS.setdefault(kind, len(_METRIC_IDS) + 1),
            "key": kind.replace(" ", "."),
            "name": f"{datatype} ({UNITS[unit]})" if unit else datatype,
            "datatype": datatype,
            "units": [{"id": _UNIT_IDS[unit], "key": unit, "name": UNITS[unit]}] if unit else [],
        },
        "measurements": list(MEASUREMENTS) if "m" in marks else [],
        "attachment": attachment,
        "is_commentable": "c" in marks,
        "required": "!" in marks,
        "min": float(low) if low else None,
        "max": float(high) if high else None,
    }
    return FieldType(
        number,
        key,
        key.removeprefix(f"{prefix}."),
        datatype,
        "!" in marks,
        "m" in marks,
        attachment,
        "c" in marks,
        record,
    )


TEMPLATES: dict[int, Template] = {
    1: _template(
        1,
        "vsme",
        "VSME: Voluntary sustainability reporting standard for non-listed SMEs",
        "EFRAG's voluntary standard: Basic Module (B1 to B11) and Comprehensive Module (C1 to C9).",
        VSME,
        "esg.vsme",
    ),
    2: _template(
        2, "supplier-basics", "Supplier basics", "Ten questions for suppliers.", SUPPLIER_BASICS, "esg.supplier"
    ),
}
"""Report templates by ID."""
