"""What the service knows of itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Integer, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, UTCDateTime


class WriteProbe(Base):
    """When a process last proved that it can write: a row for each, so that none waits for another."""

    __tablename__ = "write_probes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Replica(Base):
    """A process of the service, which now and then says that it lives."""

    __tablename__ = "replicas"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # serve, api or worker.
    role: Mapped[str] = mapped_column(String(10))
    host: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    # Whether its reconciler turned just now.
    works: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CheckResult(Base):
    """What a check of the deployment, which the service repeats by itself, found last."""

    __tablename__ = "check_results"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    # ok, warning, failed or skipped.
    outcome: Mapped[str] = mapped_column(String(10))
    detail: Mapped[str] = mapped_column(Text)
    checked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CheckRound(Base):
    """The one row by which replicas agree on who repeats the checks."""

    __tablename__ = "check_rounds"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    begun_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Probe(Base):
    """A probe of `presshook doctor` that came in as a callback would: who sent it looks for it here."""

    __tablename__ = "probes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # What became of its `Authorization` on the way: arrived, missing or changed.
    authorization: Mapped[str] = mapped_column(String(10))
    arrived_at: Mapped[datetime] = mapped_column(UTCDateTime)
