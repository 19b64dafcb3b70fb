"""Where commands find the API, whose token they take there, and what they make of a refusal."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from forewarn.api import ApiFailed, api_address, api_client, content_of
from forewarn.data_directory import Address, DataDirectory, NotRunning

HERE = Address("http://127.0.0.1:8000", "ours")


class TestAddress:
    def test_is_that_of_the_installation_on_this_machine(self, tmp_path: Path) -> None:
        directory = DataDirectory(tmp_path)
        with directory.held():
            directory.write_address(HERE)
            assert api_address(None, None, tmp_path) == HERE
            assert api_address(None, "mine", tmp_path) == Address(HERE.base_url, "mine")

    def test_without_an_installation_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NotRunning):
            api_address(None, "mine", tmp_path)

    def test_elsewhere_is_as_given(self, tmp_path: Path) -> None:
        assert api_address("https://there", "theirs", tmp_path) == Address("https://there", "theirs")

    def test_our_token_is_never_sent_elsewhere(self, tmp_path: Path) -> None:
        """INVARIANT: an administrator's token, sent to a URL somebody typed, is given away."""
        directory = DataDirectory(tmp_path)
        with directory.held():
            directory.write_address(HERE)
            with pytest.raises(ApiFailed) as failed:
                api_address("https://there", None, tmp_path)
        assert failed.value.code == "token_required"


class TestClient:
    @pytest.mark.parametrize(
        ("url", "by_proxy"),
        [("http://127.0.0.1:8000", False), ("http://[::1]:80", False), ("https://there", True)],
    )
    async def test_no_proxy_stands_between_us_and_this_machine(
        self, url: str, by_proxy: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("ALL_PROXY", "http://proxy:3128")
        async with api_client(Address(url, "t"), 5) as http:
            assert http.trust_env is by_proxy
            assert http.headers["Authorization"] == "Bearer t"


class TestContent:
    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (httpx.Response(404, json={"code": "source_not_found", "detail": "There is none."}), "source_not_found"),
            (httpx.Response(502, text="<html>"), "http_502"),
            (httpx.Response(500, json=["?"]), "http_500"),
        ],
    )
    def test_a_refusal_keeps_its_code(self, answer: httpx.Response, code: str) -> None:
        with pytest.raises(ApiFailed) as failed:
            content_of("/v1/sources", answer)
        assert failed.value.code == code

    @pytest.mark.parametrize("content", [{"items": []}, None])
    def test_a_success_is_what_it_says(self, content: Any) -> None:
        answer = httpx.Response(204) if content is None else httpx.Response(200, json=content)
        assert content_of("/v1/sources", answer) == content
