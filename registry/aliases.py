"""A model's aliases: champion serves, challenger contends, previous was champion before."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from registry.store import RegistryError, translate_mlflow_errors

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def champion_uri(name: str) -> str:
    """How MLflow is asked for a model's champion, whichever version that is by then."""
    return f"models:/{name}@{CHAMPION}"


def version_number(client: MlflowClient, name: str, alias: str) -> str | None:
    """The number of the version that an alias points to, if it points to any.

    Raises:
        RegistryError: the registry does not answer: that is not to be taken for no champion.
    """
    with translate_mlflow_errors():
        try:
            found = client.get_registered_model(name).aliases.get(alias)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None
    return None if found is None else str(found)


def previous_version_number(client: MlflowClient, name: str) -> str:
    """The number of the version that was champion before.

    Raises:
        RegistryError: there was none.
    """
    if number := version_number(client, name, PREVIOUS):
        return number
    raise RegistryError(
        f"{name} has no version `{PREVIOUS}`, so there is none to go back to (none was replaced "
        "yet, or it was deleted): see --history, and name one with --to."
    )


def set_challenger(client: MlflowClient, name: str, number: str | None) -> None:
    """Point `challenger` at a version, or at none."""
    with translate_mlflow_errors():
        if number:
            client.set_registered_model_alias(name, CHALLENGER, number)
        elif version_number(client, name, CHALLENGER):
            client.delete_registered_model_alias(name, CHALLENGER)


def set_champion(client: MlflowClient, name: str, number: str) -> None:
    """Point `champion` at a version and `previous` at the one it replaces.

    A champion is not its own challenger: that alias is removed from the version.
    """
    before = version_number(client, name, CHAMPION)
    with translate_mlflow_errors():
        if before and before != str(number):  # MLflow gives a number or its text, as it likes
            client.set_registered_model_alias(name, PREVIOUS, before)
        client.set_registered_model_alias(name, CHAMPION, number)
        if version_number(client, name, CHALLENGER) == str(number):
            client.delete_registered_model_alias(name, CHALLENGER)
