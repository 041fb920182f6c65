"""The fields of the form, derived from the declarations of a problem and from its tables."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask_wtf import FlaskForm
from sqlalchemy import Engine, func, select
from wtforms import FieldList, Form, FormField, RadioField, SelectField, StringField
from wtforms.fields.core import Field
from wtforms.validators import ValidationError

from db.engine import read_transaction
from problems import Feature, Problem
from problems.spec import MAX_CATEGORIES

NUMBER = Feature("", "number")
UNKNOWN = ""  # the text of a field whose value is null
MAX_PLAIN_INTEGER = 1e15  # larger numbers are displayed with an exponent
LINES_PER_STEP = 4  # lines for competing rows at first, and lines that a button adds
MAX_LINES = 48
LINES, MODEL = "lines", "model"  # field names


def load_choices(engine: Engine, problem: Problem) -> dict[str, list[str]]:
    """The most common texts of each text column in alphabetical order."""
    rows, choices = problem.scoring.rows.subquery(), {}
    with read_transaction(engine) as connection:
        for name in problem.texts:
            column = rows.c[name]
            query = select(column).where(column.is_not(None)).group_by(column)
            common = connection.scalars(query.order_by(func.count().desc()).limit(MAX_CATEGORIES))
            choices[name] = sorted(common)
    return choices


def build_form_class(
    problem: Problem, choices: Mapping[str, Sequence[str]], aliases: Sequence[str]
) -> type[FlaskForm]:
    """Build the form class of a problem, with a field for each feature.

    Features in which competing rows differ have a field in each of several lines. Field names are
    numbered because a feature can have any name, even one with a meaning in HTML or in a form.
    """
    shared, competing = _split_features(problem)
    fields = {name: _field(problem, feature, choices) for name, feature in shared.items()}
    if competing:
        line_fields = {name: _field(problem, f, choices) for name, f in competing.items()}
        line: Any = FormField(type("Line", (Form,), line_fields))
        fields[LINES] = FieldList(line, min_entries=LINES_PER_STEP, max_entries=MAX_LINES)
    if len(aliases) > 1:
        labels = [(alias, alias.capitalize()) for alias in aliases]
        fields[MODEL] = RadioField("Model", choices=labels, default=aliases[0])
    return type("RowForm", (FlaskForm,), fields)


def features_by_field_name(problem: Problem) -> dict[str, Feature]:
    return {f"field_{number}": feature for number, feature in enumerate(problem.features)}


def _split_features(problem: Problem) -> tuple[dict[str, Feature], dict[str, Feature]]:
    """The features that all entered rows share and those that differ, by their field names."""
    features = features_by_field_name(problem)
    competing = {n: f for n, f in features.items() if f in problem.competing_features}
    return {n: f for n, f in features.items() if n not in competing}, competing


def read_columns(form: FlaskForm, problem: Problem) -> dict[str, list[Any]]:
    """The columns of the rows in a valid form, with None for unknown values.

    Empty lines are ignored, but there is always at least one row.
    """
    shared, competing = _split_features(problem)
    values = {feature.name: _parse(feature, form[name].data) for name, feature in shared.items()}
    lines = [
        {feature.name: _parse(feature, line.form[name].data) for name, feature in competing.items()}
        for line in (form[LINES] if competing else ())
    ]
    rows = [values | line for line in lines if any(v is not None for v in line.values())]
    rows = rows or [values | dict.fromkeys(feature.name for feature in competing.values())]
    return {name: [row[name] for row in rows] for name in problem.feature_names}


def form_data(problem: Problem, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The data of a form in which these rows were entered."""
    if not rows:
        return {}
    shared, competing = _split_features(problem)
    data: dict[str, Any] = {name: _to_text(rows[0][f.name]) for name, f in shared.items()}
    if competing:
        lines = [{name: _to_text(row[f.name]) for name, f in competing.items()} for row in rows]
        data[LINES] = lines + [{}] * (LINES_PER_STEP - len(lines))
    return data


def is_empty(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Whether all values are unknown."""
    return all(value is None for values in columns.values() for value in values)


def _field(problem: Problem, feature: Feature, choices: Mapping[str, Sequence[str]]) -> Field:
    label, unit = feature.display_name, feature.unit
    if feature.kind == "text":
        options = [(UNKNOWN, "unknown"), *((text, text) for text in choices[feature.name])]
        return SelectField(label, choices=options, description=unit)
    column = problem.source_column(feature)
    bounds = column.info if column is not None else {}
    return StringField(
        label,
        description=unit,
        validators=[partial(_check_number, bounds.get("minimum"), bounds.get("maximum"))],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )


def _check_number(minimum: float | None, maximum: float | None, _form: Form, field: Field) -> None:
    try:
        number = _parse(NUMBER, field.data)
    except ValueError:
        number = math.nan
    if number is None:
        return
    if not math.isfinite(number):
        raise ValidationError("This is not a number: enter one such as 1500 or 19.99.")
    if minimum is not None and number < minimum:
        raise ValidationError(f"This must be at least {minimum:g}.")
    if maximum is not None and number > maximum:
        raise ValidationError(f"This must be at most {maximum:g}.")


def _to_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_PLAIN_INTEGER:
        return str(int(value))
    return UNKNOWN if value is None else str(value)


def _parse(feature: Feature, text: str | None) -> Any:
    """The value of a field; raises `ValueError` if it should be a number but is not."""
    text = text or ""
    if feature.kind == "text":
        return None if text == UNKNOWN else text  # blanks are part of a category
    text = text.strip()
    return None if text == UNKNOWN else float(text.replace("_", "x"))  # Python accepts 1_000
