"""Check the files of a model version before anything in them is loaded.

`mlflow.pyfunc.load_model` does what a model's own `MLmodel` file says: it imports the loader that
is named there, unpickles, or trusts the types that are listed there. Whoever can write to the
artifact store could so run code in every process that loads the version. Therefore we copy the
files, check the copy, and load the copy.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import yaml
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model

from cli.terminal import print_message
from registry.store import RegistryError, translate_mlflow_errors
from registry.trusted_types import TRUSTED_TYPES

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

    from registry.versions import RegisteredVersion

# tags of a version: the SHA-256 digests of all its files, and of its MLmodel alone
FILES_DIGEST_TAG, DESCRIPTION_DIGEST = "files_digest", "mlmodel_digest"
DESCRIPTION, MODEL_FILE = "MLmodel", "model.skops"
# MLflow adds this file when it fetches a registered version; it is not part of the logged model
ADDED_BY_MLFLOW = "registered_model_meta"
# what train.py writes, and all that may stand in these sections of MLmodel
EXPECTED: Mapping[str, Mapping[str, Any]] = {
    "python_function": {
        "loader_module": "mlflow.sklearn",
        "model_path": MODEL_FILE,
        "predict_fn": "predict_proba",
    },
    "sklearn": {"code": None, "pickled_model": MODEL_FILE, "serialization_format": "skops"},
}
DESCRIPTIVE = {"env", "python_version", "sklearn_version", "skops_trusted_types"}


class UntrustedModelError(RegistryError):
    """The files of a version are not what train.py wrote; nothing in them was loaded."""


def load(version: "RegisteredVersion") -> Any:
    """The version as MLflow's `PyFuncModel`, loaded after its files were checked.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    with translate_mlflow_errors(), checked_copy(version) as folder:
        return mlflow.pyfunc.load_model(str(folder))


@contextmanager
def checked_copy(version: "RegisteredVersion") -> Iterator[Path]:
    """A temporary folder with the checked files of a version, for the body.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=temporary))
        check(folder, version)
        yield folder


def check(folder: Path, version: "RegisteredVersion") -> None:
    """Check the files of a version in a local folder.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    if version.files_digest and digest(folder) != version.files_digest:
        raise _untrusted(version.model_id, "its files have changed since it was registered")
    model = _parsed((folder / DESCRIPTION).read_bytes(), version.model_id)
    if fault := _flavor_fault(model.flavors) or _pipeline_fault(folder / MODEL_FILE):
        raise _untrusted(version.model_id, fault)
    if not version.files_digest:
        print_message(
            f"{version.model_id} was registered without a digest of its files: whether they have "
            "changed since cannot be checked."
        )


def digest(folder: Path) -> str:
    """The SHA-256 of a model's files: of their paths and contents, in the order of the paths."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = path.relative_to(folder).as_posix()
        if name == ADDED_BY_MLFLOW:
            continue
        with path.open("rb") as content:
            total.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def digest_tags(model: "ModelInfo") -> dict[str, str]:
    """The tags with the digests of a model that was just logged."""
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(mlflow.artifacts.download_artifacts(model.model_uri, dst_path=temporary))
        description = hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()
        return {FILES_DIGEST_TAG: digest(folder), DESCRIPTION_DIGEST: description}


def read_mlmodel(registered: ModelVersion) -> Model:
    """The checked `MLmodel` of a version, without its other files.

    Raises:
        UntrustedModelError: it has changed since it was registered, or cannot be parsed.
        MlflowException, OSError: it cannot be fetched.
    """
    model_id = f"{registered.name}/{registered.version}"
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        uri = f"models:/{model_id}/{DESCRIPTION}"
        path = mlflow.artifacts.download_artifacts(uri, dst_path=temporary)
        content = Path(path).read_bytes()
    expected = registered.tags.get(DESCRIPTION_DIGEST)
    if expected and hashlib.sha256(content).hexdigest() != expected:
        raise _untrusted(model_id, f"its {DESCRIPTION} has changed since it was registered")
    return _parsed(content, model_id)


def types_to_trust(estimator: Any) -> list[str]:
    """The types in a pipeline that skops is told to trust, beyond those that it trusts by default.

    Raises:
        RegistryError: skops cannot save the pipeline, or one of its types is not on our list.
    """
    import skops.io  # here, as it loads scikit-learn, which no client of a server needs

    try:
        names: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    except Exception as error:
        raise RegistryError(f"skops cannot save the pipeline ({error}): leave that out.") from error
    if others := [name for name in names if name not in TRUSTED_TYPES]:
        raise RegistryError(
            f"The pipeline holds {', '.join(others)}, which no server would load: build it of "
            "classes and functions of scikit-learn and NumPy that registry/trusted_types.py lists."
        )
    return names


def _parsed(content: bytes, model_id: str) -> Model:
    try:
        # a few aliases of aliases would make a text of gigabytes; MLflow writes none
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):
            raise ValueError
        return Model.from_dict(yaml.safe_load(content))
    except Exception as error:  # whatever a file that is no MLmodel may cause
        fault = f"its {DESCRIPTION} cannot be read ({type(error).__name__})"
        raise _untrusted(model_id, fault) from error


def _flavor_fault(flavors: Mapping[str, Any]) -> str:
    """What `MLmodel` says that train.py would not write; "" if there is nothing."""
    for flavor, expected in EXPECTED.items():
        settings = flavors.get(flavor)
        if not isinstance(settings, dict):
            return f"its {DESCRIPTION} has no flavor {flavor}"
        for name in sorted(settings.keys() - DESCRIPTIVE | expected.keys()):
            if settings.get(name) != expected.get(name):
                value = str(settings.get(name))[:100]
                return f"its {DESCRIPTION} sets {name} of {flavor} to {value!r}"
    return ""


def _pipeline_fault(path: Path) -> str:
    """What the saved pipeline holds that a model must not; "" if there is nothing."""
    import skops.io

    try:
        names = set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES
        with zipfile.ZipFile(path) as archive:
            reads_files = _reads_files(json.loads(archive.read("schema.json")))
    except Exception as error:  # whatever a file that skops did not write may cause
        return f"its {path.name} cannot be read ({type(error).__name__})"
    if names:
        return f"its {path.name} holds {', '.join(sorted(names))[:200]}, which is not trusted"
    return f"its {path.name} takes its input for names of files to read" if reads_files else ""


def _reads_files(node: Any) -> bool:
    """Does an estimator in skops' schema open the files that its input names."""
    if isinstance(node, list):
        return any(map(_reads_files, node))
    if not isinstance(node, dict):
        return False
    # as scikit-learn's CountVectorizer(input="filename")
    setting = node.get("input")
    if isinstance(setting, dict) and setting.get("content") in ('"filename"', '"file"'):
        return True
    return any(map(_reads_files, node.values()))


def _untrusted(model_id: str, fault: str) -> UntrustedModelError:
    return UntrustedModelError(
        f"{model_id} was not loaded, because {fault}: register the model again with "
        "`python train.py`, or have another version serve with `python promote.py --to NUMBER`."
    )
