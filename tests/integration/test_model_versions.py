"""Which versions a worker of serve.py has loaded, and which one answers: the rules of the deck."""

import shutil
from pathlib import Path

import mlflow
import pytest

import problems
from serving import model_versions as rules
from serving.errors import RequestError
from serving.model_versions import ModelVersions
from serving.settings import Settings
from tests.support.databases import execute
from tests.support.project import MODEL
from tests.support.trained import StoreCopy

PLAIN, ENGINEERED, TREES = (f"{MODEL}/{number}" for number in (1, 2, 3))


def deck_of(*served_aliases: str) -> ModelVersions:
    """A deck that has not looked yet."""
    settings = Settings(
        model_name=MODEL,
        words=problems.load().outcome_labels,
        aliases=served_aliases or ("champion",),
        refresh=5,
        timeout=60,
        in_flight=64,
        max_body=2**20,
        max_rows=1000,
        tokens="",
    )
    return ModelVersions(settings)


@pytest.fixture
def deck(store: StoreCopy) -> ModelVersions:
    """A deck that serves the champion, version 2."""
    assert store.alias("champion") == "2"
    deck = deck_of()
    deck.look()
    return deck


def answering(deck: ModelVersions, wanted: str | None = None, alias: str = "") -> str:
    """The version that answers a request now, such as offer-click/2."""
    return deck.answering(deck.slot(alias), wanted).version.model_id


def refused(deck: ModelVersions, alias: str = "") -> dict[str, str]:
    """The version that the alias points to but that does not answer, and why."""
    refusal = deck.slot(alias).refused
    assert refusal
    return refusal


def age(deck: ModelVersions, version: str, seconds: float) -> None:
    """Let so many seconds pass since the version was asked for."""
    deck.answering(deck.slot(""), version).asked_at -= seconds


def test_nothing_answers_before_the_first_look(store: StoreCopy) -> None:
    assert store.alias("champion")
    deck = deck_of()
    assert not deck.ready
    with pytest.raises(RequestError, match="No version is loaded as champion") as error:
        answering(deck)
    assert error.value.status == 503
    deck.look()
    assert deck.ready
    assert answering(deck) == ENGINEERED


def test_a_moved_alias_is_taken_up_by_the_next_look(deck: ModelVersions, store: StoreCopy) -> None:
    store.set_alias("champion", "1")
    assert answering(deck) == ENGINEERED
    deck.look()
    assert answering(deck) == PLAIN
    assert deck.slot("").refused is None


def test_a_rollback_by_promote_is_taken_up(deck: ModelVersions, store: StoreCopy) -> None:
    assert store.promote("--to", "1") == 0
    deck.look()
    assert answering(deck) == PLAIN
    assert store.promote("--rollback") == 0
    deck.look()
    assert answering(deck) == ENGINEERED


def test_a_version_that_comes_back_is_not_loaded_again(
    deck: ModelVersions, store: StoreCopy
) -> None:
    before = deck.slot("").loaded
    for number in ("1", "2"):
        store.set_alias("champion", number)
        deck.look()
    assert deck.slot("").loaded is before


@pytest.mark.parametrize(
    ("loads", "why"),
    [(True, "does not answer its canary rows"), (False, "model.skops cannot be read")],
    ids=["wrong answers", "does not load"],
)
def test_a_version_that_fails_never_answers_and_the_old_one_goes_on(
    deck: ModelVersions,
    store: StoreCopy,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    *,
    loads: bool,
    why: str,
) -> None:
    number = store.register_broken_copy("1", tmp_path, loads=loads)
    capfd.readouterr()
    store.set_alias("champion", number)
    for _ in range(3):
        deck.look()
    assert answering(deck) == ENGINEERED
    assert not deck.has(f"{MODEL}/{number}")
    assert refused(deck)["version"] == f"{MODEL}/{number}"
    assert why in refused(deck)["why"]
    output = capfd.readouterr()
    assert output.out.count('"event": "refused"') == output.err.count("Refused as champion") == 1
    assert f'"goes_on": "{ENGINEERED}"' in output.out

    store.set_alias("champion", "1")
    deck.look()
    assert answering(deck) == PLAIN
    assert deck.slot("").refused is None


def test_a_version_that_failed_is_tried_again_after_a_while(
    deck: ModelVersions, store: StoreCopy, tmp_path: Path
) -> None:
    number = store.register_broken_copy("1", tmp_path, loads=False)
    store.set_alias("champion", number)
    deck.look()
    whole = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/1"), "model.skops")
    shutil.copy(whole, tmp_path / "broken" / "model.skops")
    deck.look()
    assert answering(deck) == ENGINEERED  # not tried again so soon
    deck.slot("").tried_at -= rules.RETRY_SECONDS
    deck.look()
    assert answering(deck) == f"{MODEL}/{number}"
    assert deck.slot("").refused is None


def test_each_alias_is_answered_by_its_version(store: StoreCopy) -> None:
    deck = deck_of("champion", "challenger")
    store.set_alias("challenger", "1")
    deck.look()
    assert (answering(deck), answering(deck, alias="champion")) == (ENGINEERED, ENGINEERED)
    assert answering(deck, alias="challenger") == PLAIN
    with pytest.raises(
        RequestError, match="Served are champion, challenger, nothing else"
    ) as error:
        deck.slot("nobody")
    assert error.value.status == 404


def test_an_alias_that_is_not_there_yet_is_taken_up_when_it_is(store: StoreCopy) -> None:
    store.client.delete_registered_model_alias(MODEL, "challenger")
    deck = deck_of("champion", "challenger")
    deck.look()
    assert deck.ready
    with pytest.raises(RequestError, match="No version is loaded as challenger") as error:
        answering(deck, alias="challenger")
    assert error.value.status == 503
    assert "has the alias challenger" in refused(deck, "challenger")["why"]
    store.set_alias("challenger", "1")
    deck.look()
    assert answering(deck, alias="challenger") == PLAIN


def test_a_replaced_version_answers_whoever_names_it(deck: ModelVersions, store: StoreCopy) -> None:
    store.set_alias("champion", "1")
    deck.look()
    assert answering(deck) == answering(deck, PLAIN) == PLAIN
    assert answering(deck, ENGINEERED) == ENGINEERED
    with pytest.raises(RequestError, match=f"is not here; champion is {PLAIN}") as error:
        answering(deck, TREES)
    assert error.value.status == 412


def test_a_replaced_version_is_dropped_when_nobody_named_it_for_long(
    deck: ModelVersions, store: StoreCopy
) -> None:
    store.set_alias("champion", "1")
    deck.look()
    age(deck, ENGINEERED, rules.KEEP_SECONDS + 1)
    assert answering(deck, ENGINEERED) == ENGINEERED  # which keeps it
    deck.look()
    assert deck.has(ENGINEERED)
    age(deck, ENGINEERED, rules.KEEP_SECONDS + 1)
    age(deck, PLAIN, rules.KEEP_SECONDS + 1)
    deck.look()
    assert not deck.has(ENGINEERED)
    assert deck.has(PLAIN)  # it answers, though nobody named it
    with pytest.raises(RequestError, match="is not here"):
        answering(deck, ENGINEERED)


def test_a_version_is_kept_for_as_long_after_it_is_replaced_as_after_it_was_named(
    deck: ModelVersions, store: StoreCopy
) -> None:
    age(deck, ENGINEERED, rules.KEEP_SECONDS + 1)
    store.set_alias("champion", "1")
    deck.look()
    assert deck.has(ENGINEERED)


def test_a_store_that_fails_stops_nothing(deck: ModelVersions, store: StoreCopy) -> None:
    database = store.uri.removeprefix("sqlite:///")
    execute(database, "ALTER TABLE registered_models RENAME TO away")
    deck.look()
    assert "see whether MLFLOW_TRACKING_URI names a store" in refused(deck)["why"]
    assert answering(deck) == ENGINEERED
    execute(database, "ALTER TABLE away RENAME TO registered_models")
    deck.look()
    assert deck.slot("").refused is None
