"""Column types of databases that are loaded through SQLAlchemy; those of PostgreSQL and SQLite also for ADBC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine, UserDefinedType

from airflow_provider_openesg.sql.storable import as_text, without_nul, without_zone
from airflow_provider_openesg.tables.schemas import is_json
from airflow_provider_openesg.tables.value_format import PRECISION, SCALE

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Named(UserDefinedType[Any]):
    """A type by its name. SQLAlchemy does not convert its values."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


_KEY, _JSON, _DECIMAL = "key", "json", "decimal"
_TIMESTAMP = pa.timestamp("us", tz="UTC")

_ANY: Mapping[Any, TypeEngine[Any]] = {
    _KEY: sa.String(255),
    _JSON: sa.Text(),
    _DECIMAL: sa.Numeric(PRECISION, SCALE),
    pa.string(): sa.Text(),
    pa.bool_(): sa.Boolean(),
    pa.int64(): sa.BigInteger(),
    pa.float64(): sa.Float(53),
    pa.date32(): sa.Date(),
    _TIMESTAMP: sa.DateTime(timezone=True),
}
_OF: Mapping[str, Mapping[Any, TypeEngine[Any]]] = {
    # The default collation compares keys without case. TEXT holds 64 KiB. JSON changes numbers.
    "mysql": {
        _KEY: mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"),
        _JSON: mysql.LONGTEXT(),
        pa.string(): mysql.LONGTEXT(),
        pa.float64(): mysql.DOUBLE(),
        _TIMESTAMP: mysql.DATETIME(fsp=6),
    },
    # JSON, because JSONB changes numbers and order, and does not accept \u0000.
    "postgresql": {_KEY: sa.Text(), _JSON: _Named("JSON"), pa.float64(): _Named("DOUBLE PRECISION")},
    # SQLite has no decimals, dates, times or JSON. Floats would round decimals, so all of them are text.
    "sqlite": {
        _KEY: sa.Text(),
        _DECIMAL: sa.Text(),
        pa.float64(): sa.REAL(),
        pa.date32(): _Named("DATE"),
        _TIMESTAMP: _Named("TIMESTAMP"),
    },
}
KNOWN = frozenset(_OF)
"""Databases whose types can be compared reliably."""

_STORABLE = {"mysql": without_zone, "postgresql": without_nul, "sqlite": as_text}


def dialect_name(connected: sa.engine.Engine | sa.engine.Connection) -> str:
    """Return the name of the SQL dialect; ``mysql`` also for MariaDB."""
    name = connected.dialect.name
    return "mysql" if name == "mariadb" else name


def column_type(dialect: str, field: pa.Field, *, in_key: bool) -> TypeEngine[Any]:
    """Return the type of a column."""
    kind: Any = field.type
    if pa.types.is_decimal(field.type):
        kind = _DECIMAL
    elif is_json(field):
        kind = _JSON
    elif in_key and pa.types.is_string(field.type):
        kind = _KEY
    return _OF.get(dialect, {}).get(kind) or _ANY[kind]


def type_name(dialect: str, field: pa.Field, *, in_key: bool) -> str:
    """Return the type of a column as SQL."""
    compiler = sa.engine.make_url(f"{dialect}://").get_dialect()()
    return str(column_type(dialect, field, in_key=in_key).compile(dialect=compiler))


def storable(dialect: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Convert values that this database cannot store."""
    return _STORABLE[dialect](batch) if dialect in _STORABLE else batch
