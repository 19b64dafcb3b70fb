"""What an installation is told of its Kafka: nothing half, nothing that would be ignored."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from forewarn.platform import ConfigurationError, distributed_platform
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.settings import Settings

DATABASE = {"FOREWARN_DATABASE_URL_ORDERS": "postgresql://nowhere/orders"}
KEY = Settings(token_key="k" * 32)


class TestRefused:
    @pytest.mark.parametrize("bootstrap", ["", "kafka", "kafka:", ":9092", "kafka:0", "kafka:70000", "a:1,b"])
    def test_addresses_that_are_none(self, bootstrap: str) -> None:
        with pytest.raises(ValidationError):
            KafkaSettings(bootstrap=bootstrap)

    @pytest.mark.parametrize(
        "given",
        [
            {"security": "sasl_ssl"},
            {"security": "sasl_plaintext", "user": "u"},
            {"user": "u", "password": "p"},
            {"security": "ssl", "cert_file": __file__},
            {"ca_file": __file__},
            {"security": "ssl", "ca_file": "/nowhere/ca.crt"},
            {"compression": "rar"},
            {"session_seconds": 1},
        ],
        ids=str,
    )
    def test_what_would_be_ignored_or_is_missing(self, given: dict[str, Any]) -> None:
        """INVARIANT: breaks when a password or a certificate is set and connections go without it."""
        with pytest.raises(ValidationError):
            KafkaSettings(bootstrap="kafka:9092", **given)

    def test_the_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FOREWARN_KAFKA_SECURITY", "none")
        with pytest.raises(ConfigurationError, match="FOREWARN_KAFKA_SECURITY"):
            distributed_platform(KEY, ["orders"], DATABASE | {"FOREWARN_KAFKA_BOOTSTRAP": "kafka:9092"})

    def test_two_buses(self) -> None:
        both = {"FOREWARN_KAFKA_BOOTSTRAP": "kafka:9092", "FOREWARN_BUS_DATABASE_URL": "postgresql://nowhere/bus"}
        with pytest.raises(ConfigurationError, match="both"):
            distributed_platform(KEY, ["orders"], DATABASE | both)


class TestTaken:
    def test_kafka_is_chosen_by_its_address(self) -> None:
        platform = distributed_platform(KEY, ["orders"], DATABASE | {"FOREWARN_KAFKA_BOOTSTRAP": "kafka:9092"})
        assert isinstance(platform.bus, KafkaBus)

    def test_several_brokers(self) -> None:
        assert KafkaSettings(bootstrap="a:1, b:2").servers == ["a:1", "b:2"]

    def test_a_password_is_not_shown(self) -> None:
        settings = KafkaSettings(bootstrap="a:1", security="sasl_plaintext", user="u", password="hush-hush")
        assert "hush-hush" not in repr(settings)
        assert settings.connection()["sasl_plain_password"] == "hush-hush"

    def test_certificates_are_read_when_they_are_needed(self, tmp_path: Path) -> None:
        broken = tmp_path / "ca.crt"
        broken.write_text("no certificate")
        with pytest.raises(OSError):  # noqa: PT011 - whatever the TLS library raises
            KafkaSettings(bootstrap="a:1", security="ssl", ca_file=broken).connection()
