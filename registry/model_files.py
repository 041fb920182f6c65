"""Check the files of a model version before loading them.

`mlflow.pyfunc.load_model` does what a model's own `MLmodel` file says: it imports the loader module
named there, unpickles, or trusts the types listed there. Anyone who can write to the artifact store
could therefore run code in every process that loads the version. To prevent that, we copy the
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

DIGEST_TAG = "digest"  # of a version: the SHA-256 digests of its MLmodel and of all its files
OLD_DIGEST_TAGS = "mlmodel_digest", "files_digest"  # of versions that 0.1.0 registered
MLMODEL, MODEL_FILE = "MLmodel", "model.skops"
EXTRA_FILES = "extra_files"  # MLflow's folder for files that are stored with a model
# MLflow adds this file when it downloads a registered version
ADDED_BY_MLFLOW = "registered_model_meta"
# the only settings that these sections of MLmodel may contain, as train.py writes them
EXPECTED: Mapping[str, Mapping[str, Any]] = {
    "python_function": {
        "loader_module": "mlflow.sklearn",
        "model_path": MODEL_FILE,
        "predict_fn": "predict_proba",
    },
    "sklearn": {"code": None, "pickled_model": MODEL_FILE, "serialization_format": "skops"},
}
IGNORED_SETTINGS = {
    "env",
    "extra_files",
    "python_version",
    "sklearn_version",
    "skops_trusted_types",
}


class UntrustedModelError(RegistryError):
    """The files of a version are not those that train.py wrote, so they were not loaded."""


def load(version: "RegisteredVersion") -> Any:
    """Check a version's files, and load it as MLflow's `PyFuncModel`; raises as `check` does."""
    with translate_mlflow_errors(), checked_copy(version) as folder:
        return mlflow.pyfunc.load_model(str(folder))


def load_with_file(version: "RegisteredVersion", name: str) -> tuple[Any, str | None]:
    """Load a version as `load` does, and read one of its extra files; None if it has no such file.

    Raises:
        UntrustedModelError: see `check`.
    """
    with translate_mlflow_errors(), checked_copy(version) as folder:
        path = folder / EXTRA_FILES / name
        text = path.read_text() if path.is_file() else None
        return mlflow.pyfunc.load_model(str(folder)), text


@contextmanager
def checked_copy(version: "RegisteredVersion") -> Iterator[Path]:
    """Copy a version's files to a temporary folder, and check them; raises as `check` does."""
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=temporary))
        check(folder, version)
        yield folder


def check(folder: Path, version: "RegisteredVersion") -> None:
    """Check the files of a version in a local folder.

    Raises:
        UntrustedModelError: train.py would not write such files, or they have changed since the
            version was registered.
    """
    if version.files_digest and digest(folder) != version.files_digest:
        raise _untrusted(version.model_id, "its files have changed since it was registered")
    model = _parse((folder / MLMODEL).read_bytes(), version.model_id)
    if fault := _flavor_fault(model.flavors) or _pipeline_fault(folder / MODEL_FILE):
        raise _untrusted(version.model_id, fault)
    if not version.files_digest:
        print_message(
            f"{version.model_id} was registered without a digest of its files, so changes to them "
            "cannot be detected."
        )


def digest(folder: Path) -> str:
    """Return the SHA-256 digest of the paths and contents of a model's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = path.relative_to(folder).as_posix()
        if name == ADDED_BY_MLFLOW:
            continue
        with path.open("rb") as content:
            total.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def model_digests(model: "ModelInfo") -> str:
    """Compute the value of the digest tag of a logged model."""
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        folder = Path(mlflow.artifacts.download_artifacts(model.model_uri, dst_path=temporary))
        mlmodel_digest = hashlib.sha256((folder / MLMODEL).read_bytes()).hexdigest()
        return f"{mlmodel_digest} {digest(folder)}"


def registered_digests(registered: ModelVersion) -> tuple[str, str]:
    """Return the digests of the MLmodel and of all files of a version; "" if it has none."""
    mlmodel, _, files = registered.tags.get(DIGEST_TAG, "").partition(" ")
    old_mlmodel, old_files = (registered.tags.get(tag, "") for tag in OLD_DIGEST_TAGS)
    return mlmodel or old_mlmodel, files or old_files


def read_mlmodel(registered: ModelVersion) -> Model:
    """Download only the `MLmodel` of a version, and check and parse it.

    Raises:
        UntrustedModelError: the file has changed since it was registered, or is invalid.
        MlflowException, OSError: the file cannot be downloaded.
    """
    model_id = f"{registered.name}/{registered.version}"
    with tempfile.TemporaryDirectory(prefix="model-") as temporary:
        uri = f"models:/{model_id}/{MLMODEL}"
        path = mlflow.artifacts.download_artifacts(uri, dst_path=temporary)
        content = Path(path).read_bytes()
    expected, _ = registered_digests(registered)
    if expected and hashlib.sha256(content).hexdigest() != expected:
        raise _untrusted(model_id, f"its {MLMODEL} has changed since it was registered")
    return _parse(content, model_id)


def types_to_trust(estimator: Any) -> list[str]:
    """Return the types in a pipeline that skops does not trust by default.

    Raises:
        RegistryError: skops cannot save the pipeline, or `TRUSTED_TYPES` lacks one of its types.
    """
    import skops.io  # not at the top: it loads scikit-learn, which scoring clients do not need

    try:
        names: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    except Exception as error:
        raise RegistryError(f"skops cannot save the pipeline ({error}): change it.") from error
    if untrusted := [name for name in names if name not in TRUSTED_TYPES]:
        raise RegistryError(
            f"The pipeline contains {', '.join(untrusted)}, which no server would load: use only "
            "classes and functions of scikit-learn and NumPy that registry/trusted_types.py lists."
        )
    return names


def _parse(content: bytes, model_id: str) -> Model:
    try:
        # nested YAML aliases can expand to gigabytes, and MLflow writes none
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):
            raise ValueError
        model = Model.from_dict(yaml.safe_load(content))
        if not isinstance(model.flavors, dict):
            raise TypeError
        return model
    except Exception as error:  # an invalid file may raise anything
        fault = f"its {MLMODEL} cannot be read ({type(error).__name__})"
        raise _untrusted(model_id, fault) from error


def _flavor_fault(flavors: Mapping[str, Any]) -> str:
    """Describe a setting of `MLmodel` that train.py would not write; "" if there is none."""
    for flavor, expected in EXPECTED.items():
        settings = flavors.get(flavor)
        if not isinstance(settings, dict):
            return f"its {MLMODEL} has no flavor {flavor}"
        for name in sorted(settings.keys() - IGNORED_SETTINGS | expected.keys()):
            if settings.get(name) != expected.get(name):
                value = str(settings.get(name))[:100]
                return f"its {MLMODEL} sets {name} of {flavor} to {value!r}"
    return ""


def _pipeline_fault(path: Path) -> str:
    """Describe what a saved pipeline must not contain; "" if it is valid."""
    import skops.io

    try:
        names = set(skops.io.get_untrusted_types(file=path)) - TRUSTED_TYPES
        with zipfile.ZipFile(path) as archive:
            reads_files = _reads_files(json.loads(archive.read("schema.json")))
    except Exception as error:  # an invalid file may raise anything
        return f"its {path.name} cannot be read ({type(error).__name__})"
    if names:
        return f"its {path.name} contains {', '.join(sorted(names))[:200]}, which is not trusted"
    return f"its {path.name} reads files that its input names" if reads_files else ""


def _reads_files(node: Any) -> bool:
    """Return whether an estimator in skops' schema reads files that its input names."""
    if isinstance(node, list):
        return any(map(_reads_files, node))
    if not isinstance(node, dict):
        return False
    setting = node.get("input")  # for example, CountVectorizer(input="filename")
    reads = isinstance(setting, dict) and setting.get("content") in ('"filename"', '"file"')
    return reads or any(map(_reads_files, node.values()))


def _untrusted(model_id: str, fault: str) -> UntrustedModelError:
    return UntrustedModelError(
        f"{model_id} was not loaded, because {fault}: train again with `python train.py`, "
        "or promote another version with `python promote.py --to NUMBER`."
    )
