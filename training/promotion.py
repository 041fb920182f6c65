"""Compare a challenger with the champion, judge it by the promotion gate, and log the verdict."""

import math
from dataclasses import dataclass, replace

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from cli import EXIT_NO_CHAMPION, EXIT_REFUSED, yes_or_no
from cli.terminal import print_message
from metrics.bootstrap import flatten_estimates
from metrics.gain import MeasuredGain
from problems import Problem
from registry import model_files, versions
from registry.store import RegistryError
from registry.versions import RegisteredVersion
from training import plots
from training.data_source import DataSource
from training.dataset import Dataset
from training.gate import Verdict, apply_gate


@dataclass(frozen=True)
class Comparison:
    """A challenger, the reference that it is compared with, and the held-out rows."""

    problem: Problem  # with the challenger's features
    challenger: RegisteredVersion
    champion: RegisteredVersion | None  # without a champion, the base rate is the reference
    data: Dataset
    is_forced: bool = False  # a version was trained on other data

    @property
    def reference_name(self) -> str:
        return self.champion.model_id if self.champion else "the base rate"

    @property
    def unchanged(self) -> str:
        """A sentence for a comparison that promotes nothing."""
        if self.champion:
            return f"{self.champion.model_id} stays the champion."
        return f"{self.challenger.name} has no champion, so no version can be served."


def prepare_comparison(
    client: MlflowClient,
    problem: Problem,
    source: DataSource,
    challenger: str,
    champion: str | None,
    *,
    force: bool,
) -> Comparison:
    """Resolve the numbers of both versions, and read the rows that neither was trained on.

    Raises:
        RegistryError: a version does not exist, or was trained for another problem or on columns
            that the problem no longer has, or on other data and `force` is false.
    """
    challenger_version = versions.resolve(client, f"models:/{problem.model_name}/{challenger}")
    challenger_problem = versions.problem_for_version(challenger_version, problem)
    champion_version, features = None, list(challenger_version.features)
    if champion:
        champion_version = versions.resolve(client, f"models:/{problem.model_name}/{champion}")
        try:
            features += versions.problem_for_version(champion_version, problem).feature_names
        except RegistryError as error:
            raise RegistryError(
                f"The champion cannot be compared with {challenger_version.model_id} ({error}) "
                f"To move the alias without a comparison, use --to {challenger}."
            ) from error
    used = (name for name in features if name in problem.optional_columns)
    data = source.read(problem.with_optional_columns(used))
    comparison = Comparison(challenger_problem, challenger_version, champion_version, data)
    versions_to_compare = filter(None, (challenger_version, champion_version))
    same = [_is_of_same_data(comparison, version, force=force) for version in versions_to_compare]
    return replace(comparison, is_forced=not all(same))


def judge(comparison: Comparison, margin: float) -> Verdict:
    """Predict the held-out rows with both versions, and apply the gate."""
    rows, challenger, champion = comparison.data.test, comparison.challenger, comparison.champion
    cross_validated = None
    if champion:
        reference = predict_probabilities(champion, rows.features)
    else:
        reference = np.full(len(rows), comparison.data.base_rate)
        if challenger.cross_validated_gain:  # releases before 0.2.0 did not store it
            cross_validated = MeasuredGain(**challenger.cross_validated_gain)
    return apply_gate(
        comparison.problem,
        rows,
        predict_probabilities(challenger, rows.features),
        reference,
        margin,
        canaries_match=passes_canary_check(challenger, comparison.problem),
        cross_validated=cross_validated,
    )


def predict_probabilities(version: RegisteredVersion, features: pd.DataFrame) -> np.ndarray:
    """Load a version as a server does, and predict rows; returns an array of shape (rows,)."""
    model = model_files.load(version)
    return np.asarray(model.predict(features[list(version.features)]))[:, 1]


def passes_canary_check(version: RegisteredVersion, problem: Problem) -> bool:
    """Load a version as a server does, and compare its answers to its canary rows."""
    rows = pd.DataFrame(version.canary.rows, columns=list(version.features))
    rows = rows.astype(dict.fromkeys(problem.numbers, "float64"))
    return version.canary.is_answered_by(predict_probabilities(version, rows).tolist())


def log_verdict(comparison: Comparison, verdict: Verdict) -> None:
    """Log the figures and a plot of the gain to the active run."""
    data = comparison.data
    challenger, reference = comparison.challenger.model_id, comparison.reference_name
    params = {"judged": challenger, "against": reference, "margin": verdict.margin}
    params |= {"rows": verdict.measured.rows, "confidence": verdict.confidence}
    params |= {"data": data.source, "held_out_by": data.group_column, "digest": data.digest}
    mlflow.log_params({**params, "forced": yes_or_no(comparison.is_forced)})
    estimates = {"gain": verdict.gain, "calibration_slope": verdict.slope}
    losses = {"log_loss": verdict.log_loss, "against_log_loss": verdict.reference_log_loss}
    losses["detectable_gain"] = verdict.measured.detectable(verdict.confidence)
    mlflow.log_metrics({**losses, **flatten_estimates(estimates)})
    title = f"{challenger} against {reference}, with {verdict.confidence:.0%} intervals"
    mlflow.log_figure(plots.gains(verdict.gain_by_rows, verdict.margin, title), "gain.png")
    mlflow.set_tag(MLFLOW_RUN_NOTE, summarize(comparison, verdict))


def promotion_reason(comparison: Comparison, verdict: Verdict) -> str:
    """Explain in a phrase why the challenger was promoted."""
    margin = f", with a margin of {verdict.margin:g}" if verdict.margin else ""
    return (
        f"its log loss is lower than that of {comparison.reference_name} by "
        f"{verdict.described_gain}{margin}"
    )


def summarize(comparison: Comparison, verdict: Verdict) -> str:
    """Describe the verdict with its figures in a paragraph."""
    challenger = comparison.challenger.model_id
    first = "" if comparison.champion else "There is no champion yet. "
    if verdict.is_promoted:
        decision = f"{challenger} is promoted: {promotion_reason(comparison, verdict)}"
    else:
        decision = f"{challenger} is refused: {'; '.join(verdict.refusal_reasons)}"
    return (
        f"{first}{decision}. On {len(comparison.data.test):,} held-out rows, the log loss of "
        f"{challenger} is {verdict.log_loss:.5f}, that of {comparison.reference_name} is "
        f"{verdict.reference_log_loss:.5f}; the calibration slope of {challenger} is "
        f"{verdict.slope}, with a 95% interval. {_power(comparison, verdict)}"
    )


def _power(comparison: Comparison, verdict: Verdict) -> str:
    """What the judged rows can show, and how many labeled rows would show the measured gain."""
    measured, labeled = verdict.measured, len(comparison.data.raw)
    detectable = verdict.margin + measured.detectable(verdict.confidence)
    text = f"On these rows, an improvement of less than {detectable:.5f} often goes unnoticed"
    needed = labeled * measured.rows_needed(verdict.confidence, verdict.margin) / measured.rows
    if verdict.has_gain or not math.isfinite(needed):
        return f"{text}."
    more = float(f"{needed - labeled:.2g}")
    return f"{text}; about {more:,.0f} more labeled rows would show the measured one."


def _is_of_same_data(comparison: Comparison, version: RegisteredVersion, *, force: bool) -> bool:
    data = comparison.data
    trained_on, judged_on = version.trained_on.database_id, data.trained_on.database_id
    if trained_on == judged_on:
        return True
    fault = (
        f"{version.model_id} was trained on other data ({trained_on}) than {data.source} "
        f"({judged_on}), possibly on rows that are held out there"
    )
    if not force:
        raise RegistryError(
            f"{fault}, so nothing was compared: select the data that it was trained on, or compare "
            f"anyway with --force. {comparison.unchanged}",
            exit_code=EXIT_REFUSED if comparison.champion else EXIT_NO_CHAMPION,
        )
    print_message(f"{fault}; it is compared anyway.")
    return False
