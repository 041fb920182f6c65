"""Check the files of a model version before anything in them is loaded.

`mlflow.pyfunc.load_model` does what a model's own `MLmodel` file says: it imports the loader that
is named there, unpickles, or trusts the types that are listed there. Whoever can write to the
artifact store could so run code in every process that loads the version. Therefore we copy the
files, check the copy, and load the copy.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from console.show import say
from registry.store import RegistryError, explained
from registry.trusted_types import TRUSTED_TYPES

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo

    from registry.versions import Version

MODEL_FILE = "model.skops"
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


def load(version: "Version") -> Any:
    """The version as MLflow's `PyFuncModel`, loaded after its files were checked.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    with explained(), checked_copy(version) as folder:
        return mlflow.pyfunc.load_model(str(folder))


@contextmanager
def checked_copy(version: "Version") -> Iterator[Path]:
    """A temporary folder with the checked files of a version, for the body.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=temporary))
        check(folder, version)
        yield folder


def check(folder: Path, version: "Version") -> None:
    """Check the files of a version in a local folder.

    Raises:
        UntrustedModelError: the files are not what train.py writes, or were changed since.
    """
    if version.files_digest and digest(folder) != version.files_digest:
        raise _untrusted(version, "its files have changed since it was registered")
    if fault := _description_fault(folder) or _pipeline_fault(folder / MODEL_FILE):
        raise _untrusted(version, fault)
    if not version.files_digest:
        say(
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


def digest_of_logged(model: "ModelInfo") -> str:
    """The digest of the files of a model that was just logged."""
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        return digest(
            Path(mlflow.artifacts.download_artifacts(model.model_uri, dst_path=temporary))
        )


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


def _description_fault(folder: Path) -> str:
    """What `MLmodel` says that train.py would not write; "" if there is nothing."""
    try:
        flavors = Model.load(str(folder)).flavors
    except (MlflowException, OSError, ValueError, TypeError) as error:
        return f"its MLmodel cannot be read ({type(error).__name__})"
    for flavor, expected in EXPECTED.items():
        settings = flavors.get(flavor)
        if not isinstance(settings, dict):
            return f"its MLmodel has no flavor {flavor}"
        for name in sorted(settings.keys() - DESCRIPTIVE | expected.keys()):
            if settings.get(name) != expected.get(name):
                return f"its MLmodel sets {name} of {flavor} to {str(settings.get(name))[:100]!r}"
    return ""


def _pipeline_fault(path: Path) -> str:
    """What the saved pipeline holds that a model must not; "" if there is nothing."""
    import skops.io

    try:
        names = set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        return f"its {path.name} cannot be read ({type(error).__name__})"
    return (
        f"its {path.name} holds {', '.join(sorted(names))[:200]}, which is not trusted"
        if names
        else ""
    )


def _untrusted(version: "Version", fault: str) -> UntrustedModelError:
    return UntrustedModelError(
        f"{version.model_id} was not loaded, because {fault}: register the model again with "
        "`python train.py`, or have another version serve with `python promote.py --to NUMBER`."
    )
