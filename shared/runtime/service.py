"""The description of a service: what it serves, consumes, publishes and does in time. It opens nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import MetaData

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.messaging.consumer import Completed, Handler


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service consumes: as group `forewarn.<service>`, the topics of these producers, through one handler."""

    producers: tuple[str, ...]
    handler: Handler
    holds: tuple[str, ...] = ()
    """Kinds it keeps as held documents; these are reconciled with their producers."""
    forget: Callable[[UnitOfWork], Awaitable[None]] | None = None
    """Empties, for a rebuild, what it made of events besides held documents and beats."""
    completed: Completed | None = None
    """Does, when a rebuild is over, what had to wait for complete documents."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that time causes: run under a lock of the service's database, at least `every`, or when woken.

    `run` returns whether it found more to do than it did; then it is run again at once.
    """

    name: str
    every: timedelta
    run: Callable[[Context], Awaitable[bool]]
    waiting: Callable[[Context], Awaitable[bool]] | None = None
    """Whether it still has to do what events caused; None: only the clock gives it work."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `metadata` holds its tables, `migrations` the folder of its Alembic scripts."""

    name: str
    metadata: MetaData
    migrations: Path
    routers: tuple[APIRouter, ...] = ()
    publishes: tuple[str, ...] = ()
    """Kinds of documents it produces."""
    subscription: Subscription | None = None
    jobs: tuple[Job, ...] = ()
