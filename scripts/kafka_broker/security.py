"""How clients are let in: the listener's settings on the broker, and what a client needs to know."""

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.kafka_broker.errors import KafkaScriptError

USER: Final = "forewarn"
SCRAM: Final = ("SCRAM-SHA-512", "SCRAM-SHA-256")


@dataclass(frozen=True)
class Security:
    """One way in: what it is called in the settings of Kafka and of Forewarn, and what it asks for."""

    protocol: str
    settings_name: str
    password: bool = False
    certificate: bool = False
    """Clients have to show one of their own."""

    @property
    def tls(self) -> bool:
        return self.protocol.endswith("SSL")


WAYS: Final[Mapping[str, Security]] = {
    "plaintext": Security("PLAINTEXT", "plaintext"),
    "scram": Security("SASL_PLAINTEXT", "sasl_plaintext", password=True),
    "scram-tls": Security("SASL_SSL", "sasl_ssl", password=True),
    "tls": Security("SSL", "ssl"),
    "mtls": Security("SSL", "ssl", certificate=True),
}


def new_password() -> str:
    """For this cluster alone."""
    return secrets.token_urlsafe(16)


def listener_settings(way: Security, password: str, folder: Path) -> dict[str, str]:
    """Settings of the clients' listener."""
    settings: dict[str, str] = {}
    if way.password:
        settings["sasl.enabled.mechanisms"] = ",".join((*SCRAM, "PLAIN"))
        for mechanism in SCRAM:
            login = "org.apache.kafka.common.security.scram.ScramLoginModule"
            settings[f"{mechanism.lower()}.sasl.jaas.config"] = f"{login} required;"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        settings["plain.sasl.jaas.config"] = f'{login} required user_{USER}="{password}";'
    if way.tls:
        settings["ssl.keystore.type"] = settings["ssl.truststore.type"] = "PEM"
        settings["ssl.keystore.location"] = str(folder / "broker.pem")
        settings["ssl.truststore.location"] = str(folder / "ca.crt")
        settings["ssl.client.auth"] = "required" if way.certificate else "none"
    return settings


def format_arguments(way: Security, password: str) -> list[str]:
    """What a node's storage is made with, so that the user exists before anybody can log in."""
    if not way.password:
        return []
    return [f"--add-scram={mechanism}=[name={USER},password={password}]" for mechanism in SCRAM]


def client_settings(way: Security, password: str, folder: Path) -> dict[str, str]:
    """What a client needs, in the words of FOREWARN_KAFKA_*: security, user, password, files."""
    needed = {"security": way.settings_name}
    if way.password:
        needed |= {"sasl_mechanism": SCRAM[0], "user": USER, "password": password}
    if way.tls:
        needed |= {"ca_file": str(folder / "ca.crt")}
    if way.certificate:
        needed |= {"cert_file": str(folder / "client.crt"), "key_file": str(folder / "client.key")}
    return needed


def make_certificates(folder: Path) -> None:
    """An authority, and a certificate by it for the brokers and for a client; complete or absent."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if (folder / "broker.pem").exists():
        return
    _openssl(folder, "req", "-x509", *_new_key("ca"), "-subj", "/CN=Forewarn test authority", "-days", "30")
    _sign(folder, "client", f"/CN={USER}", "")
    _sign(folder, "broker", "/CN=localhost", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    pem = (folder / "broker.key").read_text() + (folder / "broker.crt").read_text()
    (folder / "broker.pem").write_text(pem)


def _sign(folder: Path, name: str, subject: str, extension: str) -> None:
    extensions = ["-addext", extension] if extension else []
    authority = ["-CA", "ca.crt", "-CAkey", "ca.key"]
    _openssl(folder, "req", "-x509", *_new_key(name), "-subj", subject, "-days", "30", *extensions, *authority)


def _new_key(name: str) -> Sequence[str]:
    return ("-newkey", "rsa:2048", "-noenc", "-keyout", f"{name}.key", "-out", f"{name}.crt")


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise KafkaScriptError("openssl is needed to make certificates; install it") from error
    if done.returncode:
        raise KafkaScriptError(f"openssl could not make a certificate: {done.stderr}")
