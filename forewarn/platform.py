"""Builds what an installation runs on; this module and the supervisor alone know whether it is embedded."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from forewarn.data_directory import DataDirectory
from forewarn.services import NAMES
from shared.clock import SystemClock
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.http.auth import MIN_KEY_BYTES
from shared.ids import Uuid7Ids
from shared.messaging.bus import Bus
from shared.messaging.embedded_bus import EmbeddedBus
from shared.runtime.platform import Platform
from shared.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

BUS: Final = "bus"
"""Name of the sixth database and of its role."""
BUS_VARIABLE: Final = "FOREWARN_BUS_DATABASE_URL"
KAFKA_VARIABLE: Final = "FOREWARN_KAFKA_BOOTSTRAP"


class ConfigurationError(Exception):
    """The environment does not say enough; the message names the variable."""


def embedded_platform(settings: Settings) -> Platform:
    """The five databases, the bus and the key of the installation in the data directory; starts nothing."""
    server = EmbeddedPostgres(settings.data_dir)
    dsns = {name: server.dsn(name) for name in NAMES}
    signed = settings.model_copy(update={"token_key": SecretStr(signing_key(settings))})
    return _platform(signed, dsns, EmbeddedBus(server.dsn(BUS)))


def distributed_platform(
    settings: Settings, names: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Platform:
    """The databases of some services and the bus, by URLs of the environment."""
    if settings.token_key is None:
        raise ConfigurationError("FOREWARN_TOKEN_KEY is not set: the key that signs tokens, the same for all services")
    signing_key(settings)
    dsns = {name: database_url(name, environment) for name in names}
    return _platform(settings, dsns, _distributed_bus(environment))


def installed_platform(data_dir: Path | None, names: Sequence[str]) -> Platform:
    """What a running installation runs on: the data directory if one is given, else what the environment names.

    Raises `NotRunning` for a data directory without a server, `ConfigurationError` for an incomplete environment.
    """
    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    if data_dir is None and any(os.environ.get(database_variable(name)) for name in NAMES):
        return distributed_platform(settings, names)
    told = DataDirectory(settings.data_dir).address()
    return embedded_platform(settings.model_copy(update={"time_zone": told.time_zone or settings.time_zone}))


def signing_key(settings: Settings) -> str:
    """The key that signs tokens: of the environment, else of the data directory."""
    if settings.token_key is None:
        return DataDirectory(settings.data_dir).token_key()
    key = settings.token_key.get_secret_value()
    if len(key.encode()) < MIN_KEY_BYTES:
        raise ConfigurationError(f"FOREWARN_TOKEN_KEY is too short: it has to have {MIN_KEY_BYTES} bytes at least")
    return key


def database_url(service: str, environment: Mapping[str, str] = os.environ) -> str:
    """URL of a service's database; raises `ConfigurationError`."""
    variable = database_variable(service)
    if not environment.get(variable):
        raise ConfigurationError(f"{variable} is not set, for example postgresql://role:password@host:5432/{service}")
    return environment[variable]


def database_variable(service: str) -> str:
    """The variable that holds the URL of a service's database."""
    return f"FOREWARN_DATABASE_URL_{service.upper()}"


def service_url(service: str, environment: Mapping[str, str] = os.environ) -> str:
    """Base URL under which the gateway reaches a service; raises `ConfigurationError`."""
    variable = f"FOREWARN_URL_{service.upper()}"
    url = environment.get(variable, "").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise ConfigurationError(f"{variable} is not the base URL of a service, for example http://{service}:8000")
    return url


def _distributed_bus(environment: Mapping[str, str]) -> Bus:
    kafka, url = environment.get(KAFKA_VARIABLE), environment.get(BUS_VARIABLE)
    if kafka and url:
        raise ConfigurationError(f"{KAFKA_VARIABLE} and {BUS_VARIABLE} are both set; there is one bus")
    if kafka:
        return _kafka_bus(kafka)
    if url:
        return EmbeddedBus(url)
    raise ConfigurationError(
        f"no bus is named: {KAFKA_VARIABLE}, for example kafka:9092, or {BUS_VARIABLE}, a database as bus"
    )


def _kafka_bus(bootstrap: str) -> Bus:
    # Imported here: the embedded mode would pay 4 MB a process and a tenth of a second for a client it never uses.
    from shared.messaging.kafka_bus import KafkaBus, KafkaSettings

    try:
        return KafkaBus(KafkaSettings(bootstrap=bootstrap))
    except ValidationError as error:
        raise ConfigurationError("; ".join(_broken(detail) for detail in error.errors())) from error


def _broken(detail: "ErrorDetails") -> str:
    """What is wrong with one variable, or with several together, which the message names."""
    name = "".join(str(part).upper() for part in detail["loc"])
    return f"FOREWARN_KAFKA_{name}: {detail['msg']}" if name else detail["msg"]


def _platform(settings: Settings, dsns: Mapping[str, str], bus: Bus) -> Platform:
    clock, ids = SystemClock(), Uuid7Ids()
    databases = {name: Database(dsn, clock=clock, ids=ids) for name, dsn in dsns.items()}
    return Platform(settings=settings, clock=clock, ids=ids, bus=bus, databases=databases)
