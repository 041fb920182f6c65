"""The form's web application: enter rows, see their scores, and download all entries."""

import csv
import io
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response as WerkzeugResponse

from cli import UserError
from db import entries
from db.entries import FormEntry
from form import fields
from form.entry_scorer import EntryScorer

LATEST_ENTRIES = 10  # shown below the form
MAX_BODY_BYTES = 100_000
# the last four are full-width forms of the others
FORMULA_STARTS = "=+@\\-\uff1d\uff0b\uff20\uff0d"
FORMULA = re.compile(rf"((?:^|[\t\r\n;,|\"])\s*)([{FORMULA_STARTS}])")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",  # entries are personal data, such as incomes
}


class FormViews:
    """The views of the application."""

    def __init__(self, scorer: EntryScorer) -> None:
        self._scorer, self._problem = scorer, scorer.problem
        self._aliases = list(scorer.endpoints)
        choices = fields.load_choices(scorer.engine, scorer.problem)
        self._form_class = fields.build_form_class(scorer.problem, choices, self._aliases)

    def show(self) -> str:
        """Show an empty form, or the results with the ids in the query string."""
        texts = request.args.getlist("result")[: fields.MAX_LINES]
        ids = [int(text) for text in texts if re.fullmatch("[0-9]{1,18}", text)]  # 64 bits
        results = self._read_entries(ids=ids)[::-1] if ids else []
        data = fields.form_data(self._problem, [result.values for result in results])
        ranked = sorted(results, key=lambda result: -result.probability)
        return self._render(self._form_class(formdata=None, data=data), results=ranked)

    def submit(self) -> WerkzeugResponse | tuple[str, int]:
        """Score the entered rows and redirect to the results, or show what is wrong with them."""
        form = self._form_class()
        if "more" in request.form:
            return self._add_lines(form), 200
        if not form.validate():
            error = "Nothing was scored: correct the fields that are marked below."
            return self._render(form, error=error), 422
        columns = fields.read_columns(form, self._problem)
        if fields.is_empty(columns):
            return self._render(form, error="The form is empty: fill in at least one field."), 422
        alias = form[fields.MODEL].data if fields.MODEL in form else self._aliases[0]
        try:
            ids = self._scorer.score_and_store(alias, columns)
        except UserError as error:
            return self._render(form, error=f"Nothing was stored. {error}"), 502
        return redirect(url_for("show", result=ids), 303)

    def download(self) -> Response:
        """Download all entries in the format of `train.py --table`, with an empty label column.

        Texts that a spreadsheet could run are changed: see `escape_formula`.
        """
        problem, text = self._problem, io.StringIO()
        # all texts are quoted, so a spreadsheet with another separator does not split them
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
        names, group_name = problem.feature_names, problem.group_name
        has_groups = group_name not in names and bool(problem.competing_features)
        group_header = [group_name] if has_groups else []
        writer.writerow(["entry", *group_header, *names, "model", "probability", "label"])
        for entry in reversed(self._read_entries()):
            group = [f"entered {entry.when.isoformat()}"] if has_groups else []
            values = [escape_formula(entry.values[name]) for name in names]
            writer.writerow([entry.id, *group, *values, entry.model_id, entry.probability, ""])
        headers = {"Content-Disposition": f"attachment; filename={problem.name}_entries.csv"}
        return Response(text.getvalue(), mimetype="text/csv", headers=headers)

    def handle_csrf_error(self, _error: CSRFError) -> tuple[str, int]:
        """Reject a form of an old session or of another site."""
        error = "The form has expired, or cookies are disabled: please send it again."
        return self._render(self._form_class(formdata=None), error=error), 400

    def _add_lines(self, form: FlaskForm) -> str:
        lines = form[fields.LINES]
        for _ in range(min(fields.LINES_PER_STEP, fields.MAX_LINES - len(lines))):
            lines.append_entry()
        return self._render(form)

    def _read_entries(self, **options: Any) -> Sequence[FormEntry]:
        return entries.read_entries(self._scorer.engine, self._problem.scoring, **options)

    def _render(self, form: FlaskForm, **context: Any) -> str:
        problem = self._problem
        features = fields.features_by_field_name(problem)
        return render_template(
            "page.html",
            problem=problem,
            title=f"{problem.name.replace('_', ' ').capitalize()}: score rows by hand",
            form=form,
            shared_fields=[name for name in features if name in form],
            line_fields=[n for n, f in features.items() if f in problem.competing_features],
            lines_title=f"{problem.scoring.key.table.name.capitalize()}, one per line",
            latest=self._read_entries(most=LATEST_ENTRIES),
            **context,
        )


def reject_unknown_fields() -> None:
    """Reject a request with field names that no page of the form has, which WTForms fails on."""
    if not all(re.fullmatch("[a-z0-9_-]{1,40}", name) for name in request.form):
        abort(400)


def create_app(scorer: EntryScorer, hosts: Sequence[str] = ()) -> Flask:
    """Create the application, which accepts requests for these host names, or for any if empty."""
    app, views = Flask(__name__), FormViews(scorer)
    app.config |= {
        "SECRET_KEY": secrets.token_bytes(32),
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "TRUSTED_HOSTS": list(hosts) or None,
        "WTF_CSRF_TIME_LIMIT": None,  # valid until the browser is closed
    }
    app.before_request(reject_unknown_fields)
    CSRFProtect(app)
    app.add_url_rule("/", "show", views.show)
    app.add_url_rule("/", "submit", views.submit, methods=["POST"])
    app.add_url_rule("/entries.csv", "download", views.download)
    app.register_error_handler(CSRFError, views.handle_csrf_error)
    app.add_template_filter(format_value)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def escape_formula(value: Any) -> Any:
    """A value for a CSV cell, with an apostrophe before what a spreadsheet could run as a formula.

    Spreadsheets also run a formula after white space, and some start a new cell after a semicolon
    or a quote: https://owasp.org/www-community/attacks/CSV_Injection
    """
    return FORMULA.sub(r"\1'\2", value) if isinstance(value, str) else value


def format_value(values: Mapping[str, Any], name: str) -> str:
    """Format a value for display: whole numbers with thousands separators, null as a dash."""
    value = values[name]
    if value is None:
        return "–"  # noqa: RUF001
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
    return str(value)
