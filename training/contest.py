"""A challenger against the champion: fetch both, have the gate judge, write the verdict down."""

import argparse
from dataclasses import dataclass

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from cli import EXIT_REFUSED, yes_or_no
from cli.terminal import print_message
from problems import Problem
from registry import versions
from registry.store import RegistryError
from registry.versions import RegisteredVersion
from training import data_source, plots, promotion
from training.dataset import Dataset
from training.log_and_register import flatten_estimates
from training.promotion import Verdict


class TrainedOnOtherDataError(RegistryError):
    """A version may have seen the rows that are to judge it."""

    exit_code = EXIT_REFUSED


@dataclass(frozen=True)
class Comparison:
    """The two versions (the champion is None where there is none yet), and the rows that judge."""

    problem: Problem  # with the challenger's features
    challenger: RegisteredVersion
    champion: RegisteredVersion | None
    data: Dataset

    @property
    def reference_name(self) -> str:
        return self.champion.model_id if self.champion else "the base rate"


def prepare_comparison(
    client: MlflowClient,
    problem: Problem,
    challenger: str,
    champion: str | None,
    args: argparse.Namespace,
) -> Comparison:
    """Fetch both versions by their numbers, and the rows that neither has seen.

    Raises:
        RegistryError, TrainedElsewhere: one of them cannot be compared on these rows; says why.
    """
    ours = versions.resolve(client, f"models:/{problem.model_name}/{challenger}")
    ours_for = versions.problem_for_version(ours, problem)
    theirs, features = None, list(ours.features)
    if champion:
        theirs = versions.resolve(client, f"models:/{problem.model_name}/{champion}")
        try:
            features += versions.problem_for_version(theirs, problem).feature_names
        except RegistryError as error:
            raise RegistryError(
                f"The champion cannot be compared with {ours.model_id} ({error}) "
                f"Move the alias by hand with --to {challenger}."
            ) from error
    asked = problem.with_optional_columns(
        name for name in features if name in problem.optional_columns
    )
    data = data_source.read(args, asked)
    for version in filter(None, (ours, theirs)):
        _require_unseen(version, data, force=args.force)
    return Comparison(ours_for, ours, theirs, data)


def judge(rivals: Comparison, margin: float) -> Verdict:
    rows = rivals.data.test
    if rivals.champion:
        rival = promotion.predict_probabilities(rivals.champion, rows.features)
    else:
        rival = np.full(len(rows), rivals.data.base_rate)
    return promotion.apply_gate(
        rivals.problem,
        rows,
        promotion.predict_probabilities(rivals.challenger, rows.features),
        rival,
        margin,
        as_logged=promotion.answers_as_logged(rivals.challenger, rivals.problem),
    )


def log_verdict(rivals: Comparison, verdict: Verdict, args: argparse.Namespace) -> None:
    """Log the figures and the plot of the bootstrap to the active run."""
    data = rivals.data
    mlflow.log_params(
        {
            "challenger": rivals.challenger.model_id,
            "against": rivals.reference_name,
            "margin": args.margin,
            "forced": yes_or_no(args.force),
            "rows": len(data.test),
            "held_out_by": data.group_column,
            "data": data.source,
            "digest": data.digest,
        }
    )
    estimates = {"gain": verdict.gain, "calibration_slope": verdict.slope}
    losses = {"log_loss": verdict.log_loss, "against_log_loss": verdict.reference_log_loss}
    mlflow.log_metrics({**losses, **flatten_estimates(estimates)})
    title = f"{rivals.challenger.model_id} against {rivals.reference_name}"
    figure = plots.bootstrap(verdict.resampled_gains, verdict.gain.low, verdict.gain.high, title)
    mlflow.log_figure(figure, "bootstrap.png")
    mlflow.set_tag(MLFLOW_RUN_NOTE, summarize(rivals, verdict, args.margin))


def promotion_reason(rivals: Comparison, verdict: Verdict, margin: float) -> str:
    """Why the challenger was promoted, in words."""
    gain = verdict.gain
    return (
        f"log loss less than that of {rivals.reference_name} by {gain.value:.5f} ({gain.low:.5f} "
        f"to {gain.high:.5f}){f', with a margin of {margin:g}' if margin else ''}"
    )


def summarize(rivals: Comparison, verdict: Verdict, margin: float) -> str:
    """The verdict with its figures, as a paragraph."""
    challenger, rows = rivals.challenger.model_id, len(rivals.data.test)
    figures = (
        f"On {rows:,} held-out rows the log loss of {challenger} is {verdict.log_loss:.5f}, that "
        f"of {rivals.reference_name} {verdict.reference_log_loss:.5f}; its calibration slope is "
        f"{verdict.slope}."
    )
    if verdict.is_promoted:
        return f"{challenger} is promoted: {promotion_reason(rivals, verdict, margin)}. {figures}"
    stays = f"{rivals.reference_name} stays champion" if rivals.champion else "there is no champion"
    return f"{challenger} is refused, {stays}: {'; '.join(verdict.refusal_reasons)}. {figures}"


def _require_unseen(version: RegisteredVersion, data: Dataset, *, force: bool) -> None:
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
        raise TrainedOnOtherDataError(
            f"{found}: name the data that it was trained on, or judge all the same with --force."
        )
    print_message(f"{found}; judged all the same.")
