"""Which versions a worker of serve.py loads, and which one is active for each alias."""

import shutil
from pathlib import Path

import mlflow
import pytest

import problems
from serving import model_versions
from serving.errors import RequestError
from serving.model_versions import ModelVersions
from serving.settings import Settings
from tests.support.databases import execute
from tests.support.project import MODEL
from tests.support.trained import StoreCopy

PLAIN, ENGINEERED, TREES = (f"{MODEL}/{number}" for number in (1, 2, 3))


def new_models(*served_aliases: str) -> ModelVersions:
    """The versions of a worker before the first refresh."""
    settings = Settings(
        model_name=MODEL,
        outcome_labels=problems.load().outcome_labels,
        aliases=served_aliases or ("champion",),
        refresh_seconds=5,
        timeout_seconds=60,
        max_in_flight=64,
        max_body_bytes=2**20,
        max_rows=1000,
        token_file="",
    )
    return ModelVersions(settings)


@pytest.fixture
def models(store: StoreCopy) -> ModelVersions:
    """The versions of a worker that serves the champion, version 2."""
    assert store.alias("champion") == "2"
    models = new_models()
    models.refresh()
    return models


def selected(models: ModelVersions, model_id: str | None = None, alias: str = "") -> str:
    """The version that is selected for a request, such as offer-click/2."""
    return models.select(models.alias_state(alias), model_id).version.model_id


def refusal_of(models: ModelVersions, alias: str = "") -> dict[str, str]:
    """Which version of the alias was refused, and why."""
    refusal = models.alias_state(alias).refusal
    assert refusal
    return refusal


def age(models: ModelVersions, model_id: str, seconds: float) -> None:
    """Move the last use of a version into the past."""
    models.select(models.alias_state(""), model_id).last_used_at -= seconds


def test_no_version_is_active_before_the_first_refresh(store: StoreCopy) -> None:
    assert store.alias("champion")
    models = new_models()
    assert not models.is_ready
    with pytest.raises(RequestError, match="No version is loaded as champion") as error:
        selected(models)
    assert error.value.status == 503
    models.refresh()
    assert models.is_ready
    assert selected(models) == ENGINEERED


def test_the_next_refresh_follows_a_moved_alias(models: ModelVersions, store: StoreCopy) -> None:
    store.set_alias("champion", "1")
    assert selected(models) == ENGINEERED
    models.refresh()
    assert selected(models) == PLAIN
    assert models.alias_state("").refusal is None


def test_the_next_refresh_follows_a_rollback(models: ModelVersions, store: StoreCopy) -> None:
    assert store.promote("--to", "1") == 0
    models.refresh()
    assert selected(models) == PLAIN
    assert store.promote("--rollback") == 0
    models.refresh()
    assert selected(models) == ENGINEERED


def test_a_version_that_becomes_active_again_is_not_loaded_again(
    models: ModelVersions, store: StoreCopy
) -> None:
    before = models.alias_state("").active
    for number in ("1", "2"):
        store.set_alias("champion", number)
        models.refresh()
    assert models.alias_state("").active is before


@pytest.mark.parametrize(
    ("loads", "reason"),
    [(True, "fails its canary check"), (False, "model.skops cannot be read")],
    ids=["wrong probabilities", "does not load"],
)
def test_a_version_that_fails_is_never_activated_and_the_old_one_stays_active(
    models: ModelVersions,
    store: StoreCopy,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    *,
    loads: bool,
    reason: str,
) -> None:
    number = store.register_broken_copy("1", tmp_path, loads=loads)
    capfd.readouterr()
    store.set_alias("champion", number)
    for _ in range(3):
        models.refresh()
    assert selected(models) == ENGINEERED
    assert not models.is_loaded(f"{MODEL}/{number}")
    assert refusal_of(models)["version"] == f"{MODEL}/{number}"
    assert reason in refusal_of(models)["why"]
    output = capfd.readouterr()
    assert output.out.count('"event": "refused"') == 1
    assert output.err.count("No version was activated as champion") == 1
    assert f'"active": "{ENGINEERED}"' in output.out

    store.set_alias("champion", "1")
    models.refresh()
    assert selected(models) == PLAIN
    assert models.alias_state("").refusal is None


def test_a_version_that_failed_is_loaded_again_after_a_while(
    models: ModelVersions, store: StoreCopy, tmp_path: Path
) -> None:
    number = store.register_broken_copy("1", tmp_path, loads=False)
    store.set_alias("champion", number)
    models.refresh()
    valid_file = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/1"), "model.skops")
    shutil.copy(valid_file, tmp_path / "broken" / "model.skops")
    models.refresh()
    assert selected(models) == ENGINEERED  # not loaded again so soon
    models.alias_state("").attempted_at -= model_versions.RETRY_SECONDS
    models.refresh()
    assert selected(models) == f"{MODEL}/{number}"
    assert models.alias_state("").refusal is None


def test_each_alias_has_its_active_version(store: StoreCopy) -> None:
    models = new_models("champion", "challenger")
    store.set_alias("challenger", "1")
    models.refresh()
    assert (selected(models), selected(models, alias="champion")) == (ENGINEERED, ENGINEERED)
    assert selected(models, alias="challenger") == PLAIN
    with pytest.raises(RequestError, match="has only these aliases: champion, challenger") as error:
        models.alias_state("nobody")
    assert error.value.status == 404


def test_a_refresh_activates_the_version_of_a_new_alias(store: StoreCopy) -> None:
    store.client.delete_registered_model_alias(MODEL, "challenger")
    models = new_models("champion", "challenger")
    models.refresh()
    assert models.is_ready
    with pytest.raises(RequestError, match="No version is loaded as challenger") as error:
        selected(models, alias="challenger")
    assert error.value.status == 503
    assert "has the alias challenger" in refusal_of(models, "challenger")["why"]
    store.set_alias("challenger", "1")
    models.refresh()
    assert selected(models, alias="challenger") == PLAIN


def test_a_replaced_version_can_be_requested_by_name(
    models: ModelVersions, store: StoreCopy
) -> None:
    store.set_alias("champion", "1")
    models.refresh()
    assert selected(models) == selected(models, PLAIN) == PLAIN
    assert selected(models, ENGINEERED) == ENGINEERED
    with pytest.raises(RequestError, match=f"is not loaded: champion is {PLAIN}") as error:
        selected(models, TREES)
    assert error.value.status == 412


def test_a_replaced_version_is_unloaded_when_it_has_not_been_requested_for_long(
    models: ModelVersions, store: StoreCopy
) -> None:
    store.set_alias("champion", "1")
    models.refresh()
    age(models, ENGINEERED, model_versions.KEEP_SECONDS + 1)
    assert selected(models, ENGINEERED) == ENGINEERED  # this request keeps it loaded
    models.refresh()
    assert models.is_loaded(ENGINEERED)
    age(models, ENGINEERED, model_versions.KEEP_SECONDS + 1)
    age(models, PLAIN, model_versions.KEEP_SECONDS + 1)
    models.refresh()
    assert not models.is_loaded(ENGINEERED)
    assert models.is_loaded(PLAIN)  # the active version stays
    with pytest.raises(RequestError, match="is not loaded"):
        selected(models, ENGINEERED)


def test_a_replaced_version_stays_loaded_for_a_while(
    models: ModelVersions, store: StoreCopy
) -> None:
    age(models, ENGINEERED, model_versions.KEEP_SECONDS + 1)
    store.set_alias("champion", "1")
    models.refresh()
    assert models.is_loaded(ENGINEERED)


def test_the_active_version_stays_active_while_the_store_fails(
    models: ModelVersions, store: StoreCopy
) -> None:
    database = store.uri.removeprefix("sqlite:///")
    execute(database, "ALTER TABLE registered_models RENAME TO moved")
    models.refresh()
    assert "check that MLFLOW_TRACKING_URI names a store" in refusal_of(models)["why"]
    assert selected(models) == ENGINEERED
    execute(database, "ALTER TABLE moved RENAME TO registered_models")
    models.refresh()
    assert models.alias_state("").refusal is None
