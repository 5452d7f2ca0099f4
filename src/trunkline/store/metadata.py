"""What all tables have in common."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, Index, Integer, MetaData, String, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(36)
# Of a user who may be Keystone's; SQLite looks at no length, and can't change a column's type.
USER_ID = String(64).with_variant(String(36), "sqlite")
NAME = String(255)
# SQLite numbers rows by itself only for a primary key of exactly this type.
SERIAL = BigInteger().with_variant(Integer, "sqlite")


def sparse_indexes(table: str, *columns: str) -> Iterator[Index]:
    """Indexes of the rows that have a value: one more that has none costs nothing to commit."""
    for column in columns:
        here = text(f"{column} IS NOT NULL")
        yield Index(f"ix_{table}_{column}", column, sqlite_where=here, postgresql_where=here)
