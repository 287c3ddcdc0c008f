"""The tables' base and column types, alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import JSON, DateTime, Dialect, LargeBinary, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Cipher(Protocol):
    """What encrypts values at rest."""

    def encrypt(self, value: bytes) -> bytes:
        """Return `value` unreadable."""

    def decrypt(self, value: bytes) -> bytes:
        """Return what `encrypt` was given."""


class Base(DeclarativeBase):
    """The tables' base, with names for every constraint so that migrations can address them."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC: aware on the way in and on the way out, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, which would mean something else on each host."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


# The cipher belongs to an engine, not to the process: two services in one process keep their own.
_ciphers: WeakKeyDictionary[Dialect, Cipher] = WeakKeyDictionary()


class EncryptedBytes(TypeDecorator[bytes]):
    """Bytes that are encrypted at rest, with the cipher of the `Database` that reads or writes them.

    Nothing is stored as nothing, so that no key is needed to erase.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """Encrypt."""
        return _ciphers[dialect].encrypt(value) if value else value

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """Decrypt."""
        return _ciphers[dialect].decrypt(value) if value else value


JSONDocument = JSON().with_variant(JSONB(), "postgresql")
