"""Java and the jars of a broker: found, fetched once by Maven into a cache, complete or absent."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.kafka_broker.errors import KafkaScriptError

HERE: Final = Path(__file__).parent
POM: Final = HERE / "pom.xml"
LOGGING: Final = HERE / "log4j2.yaml"
OLDEST_JAVA: Final = 17

SMALL: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Fewer threads and no second compiler: with several brokers on two cores they cost more than they bring."""


@dataclass(frozen=True)
class Kafka:
    """How Java programs of this Kafka are called."""

    java: str
    libs: Path

    def command(self, program: str, *arguments: str, options: Sequence[str] = SMALL) -> list[str]:
        """A program of Kafka with its arguments; logging goes to its standard output."""
        classpath = os.pathsep.join(str(jar) for jar in sorted(self.libs.glob("*.jar")))
        logging = f"-Dlog4j2.configurationFile={LOGGING}"
        return [self.java, *options, logging, "-cp", classpath, program, *arguments]


def missing() -> str | None:
    """What this machine lacks, or None; Maven is needed for the first start only."""
    java = _java()
    if java is None or _java_version(java) < OLDEST_JAVA:
        return f"Kafka needs Java {OLDEST_JAVA} or newer; install it, or set JAVA_HOME"
    if not _libs().is_dir() and shutil.which("mvn") is None:
        return "Kafka's jars are not here yet, and Maven (mvn) is needed to fetch them; install it"
    return None


def kafka() -> Kafka:
    """Java and all jars; the first call on a machine fetches them."""
    lack = missing()
    java = _java()
    if lack or java is None:
        raise KafkaScriptError(lack or "no Java")
    libs = _libs()
    libs.parent.mkdir(parents=True, exist_ok=True)
    with locked(libs.parent / "lock"):
        if not libs.is_dir():
            _fetch(libs)
    return Kafka(java, libs)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone on this machine for the length of the block; a process that dies lets go."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which(f"{home}/bin/java") if home else shutil.which("java")


def _java_version(java: str) -> int:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _libs() -> Path:
    """Named after the versions in the pom, so that a changed pom never meets jars of the old one."""
    pom = POM.read_text()
    version = re.search("<kafka.version>(.*)</kafka.version>", pom)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(pom.encode()).hexdigest()[:8]
    return cache / "forewarn" / f"kafka-{version[1] if version else ''}" / f"libs-{digest}"


def _fetch(libs: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=libs.parent) as folder:
        unfinished = Path(folder) / "libs"
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KafkaScriptError(f"Maven could not fetch Kafka's jars:\n{done.stdout}")
        unfinished.rename(libs)
