"""Secrets that come from files: what is taken, and what is refused before anything starts."""

from pathlib import Path

import pytest

from forewarn.platform import ConfigurationError
from forewarn.secret_files import SECRETS, read_secret_files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file as an editor leaves it."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    return path


class TestReadSecretFiles:
    @pytest.mark.parametrize("name", SECRETS)
    def test_the_content_takes_the_place_of_the_variable(self, name: str, file: Path) -> None:
        environment = {f"{name}_FILE": str(file), "OTHER": "stays"}
        read_secret_files(environment)
        assert environment[name] == "s3cret"
        assert environment["OTHER"] == "stays"

    def test_paths_of_certificates_are_no_secrets(self, tmp_path: Path) -> None:
        environment = {"FOREWARN_KAFKA_KEY_FILE": str(tmp_path / "not-there")}
        read_secret_files(environment)
        assert "FOREWARN_KAFKA_KEY" not in environment

    def test_given_twice_it_is_refused(self, file: Path) -> None:
        """INVARIANT: of two different secrets a silent choice would start with the wrong one."""
        with pytest.raises(ConfigurationError, match="FOREWARN_TOKEN_KEY"):
            read_secret_files({"FOREWARN_TOKEN_KEY": "x", "FOREWARN_TOKEN_KEY_FILE": str(file)})

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
    def test_a_file_without_a_secret_is_refused(self, content: bytes, file: Path) -> None:
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match="FOREWARN_TOKEN_KEY_FILE"):
            read_secret_files({"FOREWARN_TOKEN_KEY_FILE": str(file)})

    def test_a_file_that_is_not_there_is_refused_and_its_path_not_shown(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="FOREWARN_TOKEN_KEY_FILE") as refused:
            read_secret_files({"FOREWARN_TOKEN_KEY_FILE": str(tmp_path / "not-there")})
        assert "not-there" not in str(refused.value)
