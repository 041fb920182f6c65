"""The access log: a JSON object per line, for each scoring request and each error."""

import json

import pytest

from serving.telemetry import RequestRecord


def log_lines(record: RequestRecord, capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    record.log("POST", "127.0.0.1")
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_rejected_request_is_logged_with_zero_rows(
    capfd: pytest.CaptureFixture[str],
) -> None:
    [line] = log_lines(RequestRecord("a1", status=401, error="NO_TOKEN"), capfd)
    assert (line["status"], line["error"], line["rows"]) == (401, "NO_TOKEN", 0)
    assert not {"caller", "alias", "version", "route"} & line.keys()  # empty fields are omitted


def test_a_health_check_is_logged_only_if_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    assert log_lines(RequestRecord("a1", route="/ping", status=200), capfd) == []
    assert len(log_lines(RequestRecord("a1", route="/ping", status=503), capfd)) == 1
