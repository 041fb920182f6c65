"""The promotion gate: compare a challenger with the champion, and decide whether to promote it."""

from dataclasses import dataclass, field

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from cli import EXIT_REFUSED, yes_or_no
from cli.terminal import print_message
from metrics import calibration
from metrics.bootstrap import Bootstrap, Estimate, estimate, flatten_estimates
from metrics.classification import log_losses
from problems import Problem
from registry import model_files, versions
from registry.store import RegistryError
from registry.versions import RegisteredVersion
from training import plots
from training.data_source import DataSource
from training.dataset import Dataset, Rows

# The gate may run every night, so it must rarely pass a model that is better by chance alone: at
# 95%, one in ten models of shuffled labels passed.
CONFIDENCE = 0.99
REPLICATES = 4_000


@dataclass(frozen=True)
class Comparison:
    """A challenger, the reference that it is compared with, and the held-out rows."""

    problem: Problem  # with the challenger's features
    challenger: RegisteredVersion
    champion: RegisteredVersion | None  # without a champion, the base rate is the reference
    data: Dataset

    @property
    def reference_name(self) -> str:
        return self.champion.model_id if self.champion else "the base rate"


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison; the challenger is promoted if no reason speaks against it."""

    gain: Estimate  # the reference's log loss minus the challenger's, with its 99% interval
    margin: float
    log_loss: float
    reference_log_loss: float
    slope: Estimate
    resampled_gains: np.ndarray = field(repr=False)  # of shape (replicates,)
    refusal_reasons: tuple[str, ...]

    @property
    def is_promoted(self) -> bool:
        return not self.refusal_reasons


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
    for version in filter(None, (challenger_version, champion_version)):
        _require_same_data(version, data, force=force)
    return Comparison(challenger_problem, challenger_version, champion_version, data)


def judge(comparison: Comparison, margin: float) -> Verdict:
    """Predict the held-out rows with both versions, and apply the gate."""
    rows, challenger = comparison.data.test, comparison.challenger
    if comparison.champion:
        reference = predict_probabilities(comparison.champion, rows.features)
    else:
        reference = np.full(len(rows), comparison.data.base_rate)
    return apply_gate(
        comparison.problem,
        rows,
        predict_probabilities(challenger, rows.features),
        reference,
        margin,
        canaries_match=passes_canary_check(challenger, comparison.problem),
    )


def apply_gate(
    problem: Problem,
    rows: Rows,
    challenger: np.ndarray,
    reference: np.ndarray,
    margin: float,
    *,
    canaries_match: bool,
) -> Verdict:
    """Judge a challenger's probabilities for held-out rows against a reference's, both (rows,).

    A challenger is promoted if all of the following hold: the lower end of the 99% interval of its
    gain in log loss, from a paired bootstrap of whole groups, exceeds `margin`; the interval of its
    calibration slope overlaps the problem's calibration band; and `canaries_match` is true.
    """
    bootstrap = Bootstrap(rows.group, REPLICATES)
    losses, reference_losses = (log_losses(rows.label, p) for p in (challenger, reference))
    sums = bootstrap.sums({"rows": np.ones(len(rows)), "gain": reference_losses - losses})
    gains = sums["gain"] / sums["rows"]
    gain = estimate(gains, CONFIDENCE)
    slope = estimate(calibration.calibration_slope(rows.label, challenger, bootstrap))
    low, high = problem.calibration_band
    reasons = []
    if not gain.low > margin:
        more = f" by more than {margin:g}" if margin else ""
        reasons.append(
            f"its log loss is not significantly lower{more}: the gain is {_interval(gain)} on "
            f"{len(rows):,} held-out rows"
        )
    if not (slope.low <= high and slope.high >= low):
        reasons.append(
            f"its probabilities are not calibrated: the calibration slope is {slope}, outside "
            f"{low:g} to {high:g}"
        )
    if not canaries_match:
        reasons.append("it failed the canary check: its answers differ from those at training")
    log_loss, reference_log_loss = float(losses.mean()), float(reference_losses.mean())
    return Verdict(gain, margin, log_loss, reference_log_loss, slope, gains[1:], tuple(reasons))


def predict_probabilities(version: RegisteredVersion, features: pd.DataFrame) -> np.ndarray:
    """Load a version as a server does, and predict rows; returns an array of shape (rows,)."""
    model = model_files.load(version)
    return np.asarray(model.predict(features[list(version.features)]))[:, 1]


def passes_canary_check(version: RegisteredVersion, problem: Problem) -> bool:
    """Load a version as a server does, and compare its answers to its canary rows."""
    rows = pd.DataFrame(version.canary.rows, columns=list(version.features))
    rows = rows.astype(dict.fromkeys(problem.numbers, "float64"))
    return version.canary.is_answered_by(predict_probabilities(version, rows).tolist())


def log_verdict(comparison: Comparison, verdict: Verdict, *, forced: bool) -> None:
    """Log the figures and a plot of the bootstrap to the active run."""
    data = comparison.data
    challenger, reference = comparison.challenger.model_id, comparison.reference_name
    params = {"challenger": challenger, "against": reference, "margin": verdict.margin}
    params |= {"forced": yes_or_no(forced), "rows": len(data.test), "data": data.source}
    mlflow.log_params({**params, "held_out_by": data.group_column, "digest": data.digest})
    estimates = {"gain": verdict.gain, "calibration_slope": verdict.slope}
    losses = {"log_loss": verdict.log_loss, "against_log_loss": verdict.reference_log_loss}
    mlflow.log_metrics({**losses, **flatten_estimates(estimates)})
    title = f"{challenger} against {reference}"
    figure = plots.bootstrap(verdict.resampled_gains, verdict.gain, title)
    mlflow.log_figure(figure, "bootstrap.png")
    mlflow.set_tag(MLFLOW_RUN_NOTE, summarize(comparison, verdict))


def promotion_reason(comparison: Comparison, verdict: Verdict) -> str:
    """Explain in a phrase why the challenger was promoted."""
    margin = f", with a margin of {verdict.margin:g}" if verdict.margin else ""
    return (
        f"its log loss is lower than that of {comparison.reference_name} by "
        f"{_interval(verdict.gain)}{margin}"
    )


def summarize(comparison: Comparison, verdict: Verdict) -> str:
    """Describe the verdict with its figures in a paragraph."""
    challenger = comparison.challenger.model_id
    if verdict.is_promoted:
        decision = f"{challenger} is promoted: {promotion_reason(comparison, verdict)}."
    else:
        champion = comparison.champion
        stays = f"{champion.model_id} stays the champion" if champion else "There is no champion"
        decision = f"{challenger} is refused: {'; '.join(verdict.refusal_reasons)}. {stays}."
    return (
        f"{decision} On {len(comparison.data.test):,} held-out rows, the log loss of {challenger} "
        f"is {verdict.log_loss:.5f}, that of {comparison.reference_name} is "
        f"{verdict.reference_log_loss:.5f}; the calibration slope of {challenger} is "
        f"{verdict.slope}."
    )


def _require_same_data(version: RegisteredVersion, data: Dataset, *, force: bool) -> None:
    trained_on, judged_on = version.trained_on.database_id, data.trained_on.database_id
    if trained_on == judged_on:
        return
    fault = (
        f"{version.model_id} was trained on other data ({trained_on}) than {data.source} "
        f"({judged_on}), possibly on rows that are held out there"
    )
    if not force:
        raise RegistryError(
            f"{fault}: select the data that it was trained on, or compare anyway with --force.",
            exit_code=EXIT_REFUSED,
        )
    print_message(f"{fault}; it is compared anyway.")


def _interval(gain: Estimate) -> str:
    return f"{gain.value:.5f} ({gain.low:.5f} to {gain.high:.5f})"
