"""A challenger against the champion: fetch both, have the gate judge, write the verdict down."""

import argparse
from dataclasses import dataclass

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from cli import REFUSED, yes_or_no
from cli.terminal import say
from problems import Problem
from registry import versions
from registry.store import RegistryError
from registry.versions import Version
from training import data_source, gate, plots
from training.dataset import Dataset
from training.gate import Verdict
from training.record import flat


class TrainedElsewhere(RegistryError):
    """A version may have seen the rows that are to judge it."""

    exit_code = REFUSED


@dataclass(frozen=True)
class Rivals:
    """The two versions (the champion is None where there is none yet), and the rows that judge."""

    problem: Problem  # with the challenger's features
    challenger: Version
    champion: Version | None
    data: Dataset

    @property
    def against(self) -> str:
        return self.champion.model_id if self.champion else "the base rate"


def prepare(
    client: MlflowClient,
    problem: Problem,
    challenger: str,
    champion: str | None,
    args: argparse.Namespace,
) -> Rivals:
    """Fetch both versions by their numbers, and the rows that neither has seen.

    Raises:
        RegistryError, TrainedElsewhere: one of them cannot be compared on these rows; says why.
    """
    ours = versions.resolve(client, f"models:/{problem.model_name}/{challenger}")
    ours_for = versions.fitted(ours, problem)
    theirs, features = None, list(ours.features)
    if champion:
        theirs = versions.resolve(client, f"models:/{problem.model_name}/{champion}")
        try:
            features += versions.fitted(theirs, problem).feature_names
        except RegistryError as error:
            raise RegistryError(
                f"The champion cannot be compared with {ours.model_id} ({error}) "
                f"Move the alias by hand with --to {challenger}."
            ) from error
    asked = problem.including(name for name in features if name in problem.optional)
    data = data_source.read(args, asked)
    for version in filter(None, (ours, theirs)):
        _require_unseen(version, data, force=args.force)
    return Rivals(ours_for, ours, theirs, data)


def judge(rivals: Rivals, margin: float) -> Verdict:
    rows = rivals.data.test
    if rivals.champion:
        rival = gate.probabilities(rivals.champion, rows.features)
    else:
        rival = np.full(len(rows), rivals.data.base_rate)
    return gate.judge(
        rivals.problem,
        rows,
        gate.probabilities(rivals.challenger, rows.features),
        rival,
        margin,
        as_logged=gate.answers_as_logged(rivals.challenger, rivals.problem),
    )


def record(rivals: Rivals, verdict: Verdict, args: argparse.Namespace) -> None:
    """Log the figures and the plot of the bootstrap to the active run."""
    data = rivals.data
    mlflow.log_params(
        {
            "challenger": rivals.challenger.model_id,
            "against": rivals.against,
            "margin": args.margin,
            "forced": yes_or_no(args.force),
            "rows": len(data.test),
            "held_out_by": data.grouped_by,
            "data": data.source,
            "digest": data.digest,
        }
    )
    estimates = {"gain": verdict.gain, "calibration_slope": verdict.slope}
    losses = {"log_loss": verdict.log_loss, "against_log_loss": verdict.rival_log_loss}
    mlflow.log_metrics({**losses, **flat(estimates)})
    title = f"{rivals.challenger.model_id} against {rivals.against}"
    figure = plots.bootstrap(verdict.differences, verdict.gain.low, verdict.gain.high, title)
    mlflow.log_figure(figure, "bootstrap.png")
    mlflow.set_tag(MLFLOW_RUN_NOTE, summary(rivals, verdict, args.margin))


def reason(rivals: Rivals, verdict: Verdict, margin: float) -> str:
    """Why the challenger was promoted, in words."""
    gain = verdict.gain
    return (
        f"log loss less than that of {rivals.against} by {gain.value:.5f} ({gain.low:.5f} to "
        f"{gain.high:.5f}){f', with a margin of {margin:g}' if margin else ''}"
    )


def summary(rivals: Rivals, verdict: Verdict, margin: float) -> str:
    """The verdict with its figures, as a paragraph."""
    challenger, rows = rivals.challenger.model_id, len(rivals.data.test)
    figures = (
        f"On {rows:,} held-out rows the log loss of {challenger} is {verdict.log_loss:.5f}, that "
        f"of {rivals.against} {verdict.rival_log_loss:.5f}; its calibration slope is "
        f"{verdict.slope}."
    )
    if verdict.promoted:
        return f"{challenger} is promoted: {reason(rivals, verdict, margin)}. {figures}"
    stays = f"{rivals.against} stays champion" if rivals.champion else "there is no champion"
    return f"{challenger} is refused, {stays}: {'; '.join(verdict.shortfalls)}. {figures}"


def _require_unseen(version: Version, data: Dataset, *, force: bool) -> None:
    """Make sure that a version's training has held out the rows that are held out here.

    Raises:
        TrainedElsewhere: it was trained on other data, and nobody forces us.
    """
    trained_on, here = version.trained_on.database_id, data.trained_on.database_id
    if trained_on == here:
        return
    found = (
        f"{version.model_id} was trained on other data ({trained_on}) than {data.source} ({here}), "
        "and may have seen the rows that are held out there"
    )
    if not force:
        raise TrainedElsewhere(
            f"{found}: name the data that it was trained on, or judge all the same with --force."
        )
    say(f"{found}; judged all the same.")
