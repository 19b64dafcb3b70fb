"""What an installation is told about its Kafka, from the environment (`FOREWARN_KAFKA_…`)."""

from typing import Any, Literal, Self

from aiokafka.helpers import create_ssl_context
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


class KafkaSettings(BaseSettings):
    """Where the brokers are, how to show who one is, and the few things that differ between installations."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_KAFKA_", extra="ignore", frozen=True)

    bootstrap: str
    """Brokers to ask first, `host:port` separated by commas; more than one, so that one may be away."""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    user: str | None = None
    password: SecretStr | None = None
    ca_file: FilePath | None = None
    """Certificates that sign the brokers'; without it those of the system."""
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    compression: Compression = "none"
    replication: int | None = Field(default=None, ge=1, le=100)
    """Copies of each topic; without it 3 with three or more brokers, else as many as there are brokers."""
    session_seconds: int = Field(default=45, ge=6, le=1800)
    """A consumer that has not been heard of for this long loses its partitions."""

    @field_validator("bootstrap")
    @classmethod
    def _host_and_port(cls, bootstrap: str) -> str:
        for server in bootstrap.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"{server.strip()!r} is not host:port, for example kafka-1:9092,kafka-2:9092")
        return bootstrap

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self._sasl and not (self.user and self.password):
            raise ValueError(f"security {self.security} needs FOREWARN_KAFKA_USER and FOREWARN_KAFKA_PASSWORD")
        if not self._sasl and (self.user or self.password):
            raise ValueError(f"a user is given, but security {self.security} does not show it to the brokers")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("FOREWARN_KAFKA_CERT_FILE and FOREWARN_KAFKA_KEY_FILE belong together")
        if not self._tls and (self.ca_file or self.cert_file):
            raise ValueError(f"certificates are given, but security {self.security} does not use them")
        return self

    @property
    def servers(self) -> list[str]:
        """The brokers to ask first."""
        return [server.strip() for server in self.bootstrap.split(",")]

    def connection(self) -> dict[str, Any]:
        """The arguments every client of aiokafka takes alike. Raises `OSError` for certificates that cannot be used."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.security.upper()}
        if self._tls:
            arguments["ssl_context"] = create_ssl_context(
                cafile=self.ca_file, certfile=self.cert_file, keyfile=self.key_file
            )
        if self._sasl and self.password is not None:
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.user
            arguments["sasl_plain_password"] = self.password.get_secret_value()
        return arguments

    @property
    def _tls(self) -> bool:
        return self.security.endswith("ssl")

    @property
    def _sasl(self) -> bool:
        return self.security.startswith("sasl")
