"""The response in README is the one that the champion of the sample gives."""

import json
import re

import pytest

from tests.support.project import PROJECT
from tests.support.request_bodies import JSON, invoke


def test_the_response_in_readme_is_that_of_the_sample_s_champion(champion: str) -> None:
    readme = (PROJECT / "README.md").read_text()
    command = re.search(r"-d \\\n  '(.*)'\n(\{.*\})\n", readme)
    assert command
    body, response = command.groups()
    (expected,) = json.loads(response)["predictions"]
    (probabilities,) = invoke(champion, JSON, body).json()["predictions"]
    assert probabilities == pytest.approx(expected, rel=1e-6)
