"""Settings of an installation, from the environment (`FOREWARN_…`) only; secrets have no defaults."""

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What one installation is told. Every process of it reads the same environment."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", extra="ignore", frozen=True)

    data_dir: Path = Path(".forewarn")
    """Embedded mode: where database, keys and the address file live."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    time_zone: str = "Asia/Shanghai"
    """The seller's zone: where his days begin and end."""
    base_currency: str = "CNY"
    log_level: str = "INFO"
    token_key: SecretStr | None = None
    """Key that signs tokens; the embedded mode makes one and keeps it in `data_dir`."""
    outbox_limit: int = 500_000
    """Rows waiting for the bus beyond which ingest answers 503."""
    consumer_batch: int = Field(default=2000, ge=1, le=10_000)
    """Records one transaction of a consumer takes at most."""
    consumers: int = Field(default=1, ge=1, le=12)
    """Members of each consumer group in one worker process."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {name!r}, for example Asia/Shanghai") from error
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The seller's time zone."""
        return ZoneInfo(self.time_zone)
