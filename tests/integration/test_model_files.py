"""A version with manipulated files is refused before anything in them is loaded."""

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import skops.io
import yaml
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import promote
from registry import model_files, versions
from registry.model_files import UntrustedModelError
from registry.store import RegistryError
from tests.support.project import MODEL
from tests.support.scripts import run_main
from tests.support.trained import StoreCopy, TrainedStore

MARKER = "code-was-run"


class Payload:
    """Creates the marker file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.open, (MARKER, os.O_CREAT)


def edit(folder: Path, flavor: str, **settings: object) -> None:
    description = folder / "MLmodel"
    content = yaml.safe_load(description.read_text())
    content["flavors"][flavor] |= settings
    description.write_text(yaml.safe_dump(content))


def with_pickle(folder: Path) -> None:
    edit(folder, "sklearn", serialization_format="cloudpickle")
    (folder / "model.skops").write_bytes(pickle.dumps(Payload()))


def with_own_loader(folder: Path) -> None:
    edit(folder, "python_function", loader_module="own_loader", code="code")
    (folder / "code").mkdir()
    (folder / "code" / "own_loader.py").write_text(f"open({MARKER!r}, 'w')\n")


def with_untrusted_function(folder: Path) -> None:
    edit(folder, "sklearn", skops_trusted_types=["posix.mkdir"])
    pipeline = make_pipeline(FunctionTransformer(os.mkdir))
    (folder / "model.skops").write_bytes(skops.io.dumps(pipeline))


def with_file_reading_vectorizer(folder: Path) -> None:
    pipeline = make_pipeline(CountVectorizer(input="filename"))
    (folder / "model.skops").write_bytes(skops.io.dumps(pipeline))


def with_nested_schema(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", "[" * 5000 + "]" * 5000)


def with_invalid_archive(folder: Path) -> None:
    (folder / "model.skops").write_bytes(b"no archive")


MANIPULATIONS: dict[Callable[[Path], None], str] = {
    with_pickle: "sets serialization_format of sklearn to 'cloudpickle'",
    with_own_loader: "sets code of python_function to 'code'",
    with_untrusted_function: "contains posix.mkdir, which is not trusted",
    with_file_reading_vectorizer: "reads files that its input names",
    with_nested_schema: "model.skops cannot be read",
    with_invalid_archive: "model.skops cannot be read (BadZipFile)",
}


def with_lower_threshold(folder: Path) -> None:
    edit_metadata(folder, decision_threshold=0.0)


def with_text_as_threshold(folder: Path) -> None:
    edit_metadata(folder, decision_threshold="low")


def edit_metadata(folder: Path, **settings: object) -> None:
    description = folder / "MLmodel"
    content = yaml.safe_load(description.read_text())
    content["metadata"] |= settings
    description.write_text(yaml.safe_dump(content))


# invalid contents of MLmodel and the error message for each
INVALID_MLMODELS = {
    "flavors: []": "its MLmodel cannot be read (TypeError)",
    "a: [": "its MLmodel cannot be read (ParserError)",
    "- a list": "its MLmodel cannot be read (TypeError)",
    "": "its MLmodel cannot be read (AttributeError)",
    "a: &a [x, x]\nb: [*a, *a]": "its MLmodel cannot be read (ValueError)",
}


def register(
    store: StoreCopy,
    trained: TrainedStore,
    folder: Path,
    change: Callable[[Path], None],
    tags: dict[str, str] | None = None,
) -> versions.RegisteredVersion:
    """Register a changed copy of a version's files, with these tags only."""
    original = trained.version().uri
    mlflow.set_tracking_uri(store.uri)
    mlflow.artifacts.download_artifacts(original, dst_path=str(folder))
    change(folder)
    number = store.client.create_model_version(MODEL, str(folder), tags=tags).version
    return versions.resolve(store.client, f"models:/{MODEL}/{number}")


@pytest.mark.parametrize("change", MANIPULATIONS, ids=lambda change: change.__name__)
def test_a_manipulated_version_is_refused_and_its_code_does_not_run(
    change: Callable[[Path], None], store: StoreCopy, trained: TrainedStore, tmp_path: Path
) -> None:
    version = register(store, trained, tmp_path / "model", change)
    with pytest.raises(UntrustedModelError) as refused:
        model_files.load(version)
    assert MANIPULATIONS[change] in str(refused.value)
    assert version.model_id in str(refused.value)
    assert not Path(MARKER).exists()


def test_a_version_with_a_changed_threshold_is_refused(
    store: StoreCopy, trained: TrainedStore, tmp_path: Path
) -> None:
    tags = store.client.get_model_version(MODEL, trained.version().number).tags
    with pytest.raises(UntrustedModelError, match="its MLmodel has changed since it was registe"):
        register(store, trained, tmp_path / "model", with_lower_threshold, tags)


@pytest.mark.parametrize("content", INVALID_MLMODELS)
def test_an_invalid_mlmodel_file_is_refused(
    content: str, store: StoreCopy, trained: TrainedStore, tmp_path: Path
) -> None:
    def replace(folder: Path) -> None:
        (folder / "MLmodel").write_text(content)

    with pytest.raises(UntrustedModelError) as refused:
        register(store, trained, tmp_path / "model", replace)
    assert INVALID_MLMODELS[content] in str(refused.value)


def test_a_threshold_that_is_not_a_number_is_refused(
    store: StoreCopy, trained: TrainedStore, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="has no decision threshold"):
        register(store, trained, tmp_path / "model", with_text_as_threshold)


def test_a_manipulated_version_cannot_become_the_champion(
    store: StoreCopy, trained: TrainedStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = register(store, trained, tmp_path / "model", with_untrusted_function)
    assert run_main(promote.main, "--to", version.number) == 2
    assert MANIPULATIONS[with_untrusted_function] in capfd.readouterr().err


def test_a_version_without_a_digest_is_loaded_with_a_warning(
    store: StoreCopy, trained: TrainedStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = register(store, trained, tmp_path / "model", lambda _: None)
    assert model_files.load(version).metadata.model_id == version.logged_model_id
    assert f"{version.model_id} was registered without a digest" in capfd.readouterr().err


def test_files_changed_after_registration_are_refused(
    store: StoreCopy, trained: TrainedStore
) -> None:
    version = trained.version()
    mlflow.set_tracking_uri(store.uri)
    with model_files.checked_copy(version) as folder:
        shutil.copy(folder / "model.skops", folder / "more.skops")
        with pytest.raises(UntrustedModelError, match="its files have changed since it was regis"):
            model_files.check(folder, version)


def test_a_pipeline_that_writes_files_cannot_be_registered() -> None:
    with pytest.raises(RegistryError, match=r"contains numpy\.save, which no server would load"):
        model_files.types_to_trust(make_pipeline(FunctionTransformer(np.save)))
