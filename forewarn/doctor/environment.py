"""What the environment says of an installation: contradictions, gaps, and the platform it nevertheless describes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from forewarn.data_directory import Address, DataDirectory, DataDirectoryError
from forewarn.doctor.findings import Finding
from forewarn.platform import (
    ConfigurationError,
    database_variable,
    distributed_platform,
    embedded_platform,
    signing_key,
)
from forewarn.services import NAMES
from shared.database.embedded_postgres import PostgresError
from shared.runtime.platform import Platform
from shared.settings import Settings

SUBJECT: Final = "settings"


class Described(NamedTuple):
    """What can be looked at; no platform if the environment does not say enough for one."""

    findings: list[Finding]
    platform: Platform | None
    names: tuple[str, ...]
    """Services whose databases are known."""
    address: Address | None
    """Of an embedded installation."""


def described(data_dir: Path | None, names: Sequence[str], environment: Mapping[str, str] = os.environ) -> Described:
    """Read the environment; what is wrong with it is found, not raised."""
    try:
        settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    except ValidationError as error:
        return Described([_invalid(str(detail["loc"][0]), detail["msg"]) for detail in error.errors()], None, (), None)
    if data_dir is None and any(environment.get(database_variable(name)) for name in NAMES):
        return _distributed(settings, names, environment)
    return _embedded(settings, names)


def _embedded(settings: Settings, names: Sequence[str]) -> Described:
    try:
        address = DataDirectory(settings.data_dir).address()
        return Described([], embedded_platform(settings), tuple(names), address)
    except DataDirectoryError as error:
        problem, _, remedy = str(error).partition("; ")
        return Described([Finding("not_running", "installation", problem, remedy)], None, (), None)
    except PostgresError as error:
        problem, _, remedy = str(error).partition(": ")
        return Described([Finding("installation_damaged", "installation", problem, remedy)], None, (), None)


def _distributed(settings: Settings, names: Sequence[str], environment: Mapping[str, str]) -> Described:
    findings = [*_wrong_key(settings), *_missing(names, environment), *_shared(environment)]
    named = tuple(name for name in names if environment.get(database_variable(name)))
    # Nothing is signed here, so a key that is missing keeps from nothing.
    signed = settings.model_copy(update={"token_key": SecretStr("-" * 64)})
    try:
        return Described(findings, distributed_platform(signed, named, environment), named, None)
    except ConfigurationError as error:
        return Described([*findings, _incomplete(error)], None, named, None)


def _wrong_key(settings: Settings) -> Iterator[Finding]:
    if settings.token_key is None:
        problem = "FOREWARN_TOKEN_KEY is not set"
        yield Finding("setting_missing", SUBJECT, problem, "set the key that signs tokens, the same for all services")
        return
    try:
        signing_key(settings)
    except ConfigurationError as error:
        yield _incomplete(error)


def _missing(names: Sequence[str], environment: Mapping[str, str]) -> Iterator[Finding]:
    for variable in map(database_variable, names):
        if not environment.get(variable):
            problem = f"{variable} is not set, so nothing is known of this service"
            yield Finding("setting_missing", SUBJECT, problem, "set it, or name the services that are meant")


def _shared(environment: Mapping[str, str]) -> Iterator[Finding]:
    places: dict[tuple[str, str, str], str] = {}
    for variable in map(database_variable, NAMES):
        url = urlsplit(environment.get(variable, ""))
        if not url.path:
            continue
        place = (url.netloc.rpartition("@")[2], url.path, url.query)
        if place in places:
            problem = f"{places[place]} and {variable} name the same database"
            yield Finding("database_shared", SUBJECT, problem, "give each service a database and a role of its own")
        places.setdefault(place, variable)


def _invalid(field: str, message: str) -> Finding:
    problem = f"FOREWARN_{field.upper()} cannot be used: {message}"
    return Finding("setting_invalid", SUBJECT, problem, "correct it; nothing else could be looked at")


def _incomplete(error: ConfigurationError) -> Finding:
    return Finding("setting_invalid", SUBJECT, str(error), "correct it in the environment of every process")
