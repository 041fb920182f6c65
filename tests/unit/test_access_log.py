"""The access log: one line of JSON for each request that is worth one."""

import json

import pytest

from serving.telemetry import RequestRecord


def logged(exchange: RequestRecord, capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    exchange.log("POST", "127.0.0.1")
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_refused_request_is_logged_with_no_rows_scored(
    capfd: pytest.CaptureFixture[str],
) -> None:
    [line] = logged(RequestRecord("a1", status=401, error="NO_TOKEN"), capfd)
    assert (line["status"], line["error"], line["rows"]) == (401, "NO_TOKEN", 0)
    assert not {"caller", "alias", "version", "route"} & line.keys()  # empty values are left out


def test_a_probe_is_logged_only_if_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    assert logged(RequestRecord("a1", route="/ping", status=200), capfd) == []
    assert len(logged(RequestRecord("a1", route="/ping", status=503), capfd)) == 1
