"""A model's aliases: `champion` serves, `challenger` contends, `previous` was champion before."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from registry.store import RegistryError, translate_mlflow_errors

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def champion_uri(name: str) -> str:
    """The URI of a model's champion, whichever version that is at the time of use."""
    return f"models:/{name}@{CHAMPION}"


def version_number(client: MlflowClient, name: str, alias: str) -> str | None:
    """Return the number of the version that an alias points to, or None.

    Raises:
        RegistryError: the registry cannot be reached, so it is unknown whether the alias exists.
    """
    with translate_mlflow_errors():
        try:
            number = client.get_registered_model(name).aliases.get(alias)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None
    return None if number is None else str(number)


def previous_version_number(client: MlflowClient, name: str) -> str:
    """Return the number of the previous champion; raises RegistryError if there is none."""
    if number := version_number(client, name, PREVIOUS):
        return number
    raise RegistryError(
        f"{name} has no version `{PREVIOUS}` to roll back to, because no champion was replaced "
        "yet or the version was deleted: see --history, and choose a version with --to."
    )


def set_challenger(client: MlflowClient, name: str, number: str | None) -> None:
    """Point `challenger` at a version; with None, remove the alias."""
    with translate_mlflow_errors():
        if number:
            client.set_registered_model_alias(name, CHALLENGER, number)
        elif version_number(client, name, CHALLENGER):
            client.delete_registered_model_alias(name, CHALLENGER)


def set_champion(client: MlflowClient, name: str, number: str) -> None:
    """Point `champion` at a version, and `previous` at the version that it replaces.

    If the new champion is also the challenger, the alias `challenger` is removed.
    """
    champion = version_number(client, name, CHAMPION)
    with translate_mlflow_errors():
        if champion and champion != str(number):  # MLflow returns numbers as int or str
            client.set_registered_model_alias(name, PREVIOUS, champion)
        client.set_registered_model_alias(name, CHAMPION, number)
        if version_number(client, name, CHALLENGER) == str(number):
            client.delete_registered_model_alias(name, CHALLENGER)
