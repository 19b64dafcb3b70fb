"""Secrets from files, as containers are given them: `NAME_FILE` holds the path of what would be in `NAME`."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from forewarn.platform import BUS_VARIABLE, ConfigurationError, database_variable
from forewarn.services import NAMES

SECRETS: Final = (
    "FOREWARN_TOKEN_KEY",
    "FOREWARN_TOKEN",
    "FOREWARN_KAFKA_PASSWORD",
    BUS_VARIABLE,
    *map(database_variable, NAMES),
)
"""Variables that may come from a file; certificates and keys of TLS are files anyway."""


def read_secret_files(environment: MutableMapping[str, str]) -> None:
    """Put the contents of the files into the environment, without the line break that editors leave at the end.

    Raises `ConfigurationError` that names the variable: of a secret given twice, of a file that cannot be read.
    """
    for name in SECRETS:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        if environment.get(name):
            raise ConfigurationError(f"{name} and {name}_FILE are both set; which one is meant?")
        try:
            secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigurationError(f"{name}_FILE: the file cannot be read: {reason}") from error
        if not secret:
            raise ConfigurationError(f"{name}_FILE: the file is empty")
        environment[name] = secret
