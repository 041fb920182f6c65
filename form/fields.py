"""The form for a problem's rows, derived from what the problem declares and its tables hold."""

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
NOT_KNOWN = ""  # what stands for a null in a form
EXACT = 1e15  # up to here a whole number is written without an exponent
FIRST = 4  # lines for rows that compete, at first; a button gives as many more
MAX_RIVALS = 48
RIVALS, MODEL = "rivals", "model"  # names of fields


def load_choices(engine: Engine, problem: Problem) -> dict[str, list[str]]:
    """The texts that the table holds in each text column, in the order of the alphabet."""
    rows, found = problem.scoring.rows.subquery(), {}
    with read_transaction(engine) as connection:
        for name in problem.texts:
            column = rows.c[name]
            query = select(column).where(column.is_not(None)).group_by(column)
            common = connection.scalars(query.order_by(func.count().desc()).limit(MAX_CATEGORIES))
            found[name] = sorted(common)
    return found


def build_form_class(
    problem: Problem, texts: Mapping[str, Sequence[str]], models: Sequence[str]
) -> type[FlaskForm]:
    """The class of the problem's form: which model is asked, a field for each feature.

    Features in which rows compete are fields of each of several lines. Fields are called by
    number: a feature may have any name, also one that means something to a form or to HTML.
    """
    rivals = problem.competing_features
    fields = {
        name: _field(problem, feature, texts)
        for name, feature in features_by_field_name(problem).items()
        if feature not in rivals
    }
    if rivals:
        lines = {
            n: _field(problem, f, texts)
            for n, f in features_by_field_name(problem).items()
            if f in rivals
        }
        line: Any = FormField(type("Line", (Form,), lines))
        fields[RIVALS] = FieldList(line, min_entries=FIRST, max_entries=MAX_RIVALS)
    if len(models) > 1:
        labels = [(model, model.capitalize()) for model in models]
        fields[MODEL] = RadioField("Ask", choices=labels, default=models[0])
    return type("RowForm", (FlaskForm,), fields)


def features_by_field_name(problem: Problem) -> dict[str, Feature]:
    """The feature behind each name of a field."""
    return {f"field_{number}": feature for number, feature in enumerate(problem.features)}


def read_columns(form: FlaskForm, problem: Problem) -> dict[str, list[Any]]:
    """The rows that a valid form holds, as columns: None where nothing is known.

    A line of rivals that is empty is no row; there is always one row.
    """
    names, rivals = features_by_field_name(problem), problem.competing_features
    own = {f.name: _value(f, form[n].data) for n, f in names.items() if f not in rivals}
    lines = [
        {f.name: _value(f, line.form[n].data) for n, f in names.items() if f in rivals}
        for line in (form[RIVALS] if rivals else ())
    ]
    rows = [own | line for line in lines if any(v is not None for v in line.values())]
    rows = rows or [own | dict.fromkeys(f.name for f in rivals)]
    return {name: [row[name] for row in rows] for name in problem.feature_names}


def form_data(problem: Problem, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a form holds that these rows were entered in: the texts of its fields."""
    if not rows:
        return {}
    names, rivals = features_by_field_name(problem), problem.competing_features
    found: dict[str, Any] = {n: _text(rows[0][f.name]) for n, f in names.items() if f not in rivals}
    lines = [{n: _text(row[f.name]) for n, f in names.items() if f in rivals} for row in rows]
    return found | {RIVALS: lines + [{}] * (FIRST - len(lines))} if rivals else found


def is_empty(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Is nothing known of any row."""
    return all(value is None for values in columns.values() for value in values)


def _field(problem: Problem, feature: Feature, texts: Mapping[str, Sequence[str]]) -> Field:
    if feature.kind == "text":
        known = [(NOT_KNOWN, "not known"), *((text, text) for text in texts[feature.name])]
        return SelectField(feature.display_name, choices=known, description=feature.unit)
    column = problem.source_column(feature)
    bounds = column.info if column is not None else {}
    return StringField(
        feature.display_name,
        description=feature.unit,
        validators=[partial(_a_number, bounds.get("minimum"), bounds.get("maximum"))],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )


def _a_number(minimum: float | None, maximum: float | None, _form: Form, field: Field) -> None:
    try:
        number = _value(NUMBER, field.data)
    except ValueError:
        number = math.nan
    if number is None:
        return
    if not math.isfinite(number):
        raise ValidationError("This is no number: write one such as 1500 or 19.99.")
    if minimum is not None and number < minimum:
        raise ValidationError(f"This is less than {minimum:g}, the least that it can be.")
    if maximum is not None and number > maximum:
        raise ValidationError(f"This is more than {maximum:g}, the most that it can be.")


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    return NOT_KNOWN if value is None else str(value)


def _value(feature: Feature, text: str | None) -> Any:
    """What a field's text means; raises ValueError where it is no number but should be one."""
    text = (text or "").strip()
    if text == NOT_KNOWN:
        return None
    if feature.kind == "text":
        return text
    return float(text.replace("_", "x"))  # Python would read 1_000 as a thousand
