"""The steps that bring a database of an earlier release up to date."""

from db import migrations, schema


def test_steps_lead_from_every_schema_to_ours() -> None:
    assert sorted(migrations.STEPS) == list(range(1, schema.SCHEMA_VERSION))
