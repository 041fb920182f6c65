"""The migrations that upgrade a database of an earlier release."""

from db import migrations, schema


def test_there_is_a_step_from_every_earlier_schema_version() -> None:
    assert sorted(migrations.STEPS) == list(range(1, schema.SCHEMA_VERSION))
