"""The page: a form, the answer to what was entered last, and the results before it."""

import csv
import io
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response as Answer

from cli import UserError
from db import entries
from db.entries import FormEntry
from form import fields as forms
from form.entry_scorer import EntryScorer

LATEST = 10  # results shown below the form
MAX_BODY_BYTES = 100_000  # of what is sent to us
BEGINS_FORMULA = "=+@\\-\uff1d\uff0b\uff20\uff0d"  # the last four are the same in full width
FORMULA = re.compile(rf"((?:^|[\t\r\n;,|\"])\s*)([{BEGINS_FORMULA}])")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",  # what was entered is somebody's income
}


class Page:
    """The views, and what they share."""

    def __init__(self, desk: EntryScorer) -> None:
        self._desk, self._problem = desk, desk.problem
        self._models = list(desk.endpoints)
        texts = forms.load_choices(desk.engine, desk.problem)
        self._form = forms.build_form_class(desk.problem, texts, self._models)

    def form(self) -> str:
        """The empty form, or the answers whose ids the address names."""
        asked = request.args.getlist("result")[: forms.MAX_RIVALS]
        ids = [int(i) for i in asked if re.fullmatch("[0-9]{1,18}", i)]  # 64 bits
        answers = self._entered(ids=ids)[::-1] if ids else []
        filled = forms.form_data(self._problem, [answer.values for answer in answers])
        ranked = sorted(answers, key=lambda answer: -answer.probability)
        return self._page(self._form(formdata=None, data=filled), answers=ranked)

    def ask(self) -> Answer | tuple[str, int]:
        """Ask about what was entered, and go on to the answers; or show what is wrong with it."""
        form = self._form()
        if "more" in request.form:
            return self._more(form), 200
        if not form.validate():
            return self._page(
                form, error="Nothing was asked yet: see the fields marked below."
            ), 422
        columns = forms.read_columns(form, self._problem)
        if forms.is_empty(columns):
            return self._page(form, error="Nothing was entered: fill in what is known."), 422
        model = form[forms.MODEL].data if forms.MODEL in form else self._models[0]
        try:
            ids = self._desk.ask(model, columns)
        except UserError as error:
            return self._page(form, error=f"Nothing was stored. {error}"), 502
        return redirect(url_for("form", result=ids), 303)

    def entries(self) -> Response:
        """All that was entered, as `train.py --table` reads it, with room for the label.

        Texts that a spreadsheet could run are changed: see `not_a_formula`.
        """
        problem, text = self._problem, io.StringIO()
        # all texts are quoted, so that none is divided where another character separates cells
        lines = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
        grouped = problem.group_name not in problem.feature_names and bool(
            problem.competing_features
        )
        header = [problem.group_name] if grouped else []
        lines.writerow(["entry", *header, *problem.feature_names, "model", "probability", "label"])
        for row in reversed(self._entered()):
            group = [f"entered {row.when.isoformat()}"] if grouped else []
            values = [escape_formula(row.values[name]) for name in problem.feature_names]
            lines.writerow([row.id, *group, *values, row.model_id, row.probability, ""])
        name = f"{problem.name}_entries.csv"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        return Response(text.getvalue(), mimetype="text/csv", headers=headers)

    def out_of_date(self, _error: CSRFError) -> tuple[str, int]:
        """What a browser is told whose form is of another session, or another page's."""
        said = "This page was open for too long, or cookies are off: please send it again."
        return self._page(self._form(formdata=None), error=said), 400

    def _more(self, form: FlaskForm) -> str:
        for _ in range(min(forms.FIRST, forms.MAX_RIVALS - len(form[forms.RIVALS]))):
            form[forms.RIVALS].append_entry()
        return self._page(form)

    def _entered(self, **which: Any) -> Sequence[FormEntry]:
        return entries.read_entries(self._desk.engine, self._problem.scoring, **which)

    def _page(self, form: FlaskForm, **more: Any) -> str:
        names = forms.features_by_field_name(self._problem)
        return render_template(
            "page.html",
            problem=self._problem,
            title=f"{self._problem.name.replace('_', ' ').capitalize()}: try it by hand",
            form=form,
            own=[name for name in names if name in form],
            rivals_title=f"{self._problem.scoring.key.table.name.capitalize()}, one a line",
            rivals=[name for name, f in names.items() if f in self._problem.competing_features],
            latest=self._entered(most=LATEST),
            **more,
        )


def create_app(desk: EntryScorer, hosts: Sequence[str] = ()) -> Flask:
    """The application; `hosts` are the names by which it may be asked for, any if there is none."""
    app, page = Flask(__name__), Page(desk)
    app.config |= {
        "SECRET_KEY": secrets.token_bytes(32),
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "TRUSTED_HOSTS": list(hosts) or None,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the browser is open
    }
    CSRFProtect(app)
    app.add_url_rule("/", "form", page.form)
    app.add_url_rule("/", "ask", page.ask, methods=["POST"])
    app.add_url_rule("/entries.csv", "entries", page.entries)
    app.register_error_handler(CSRFError, page.out_of_date)
    app.add_template_filter(shown)

    @app.after_request
    def _guard(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def escape_formula(value: Any) -> Any:
    """The value of a cell; in a text, an apostrophe stands before what begins a formula.

    Spreadsheets run a cell that begins with such a character, also behind white space, and some
    begin a cell behind a semicolon or a quote: https://owasp.org/www-community/attacks/CSV_Injection
    """
    return FORMULA.sub(r"\1'\2", value) if isinstance(value, str) else value


def shown(values: Mapping[str, Any], name: str) -> str:
    """A value for people: whole numbers with thousands, what is not known as a dash."""
    value = values[name]
    if value is None:
        return "–"  # noqa: RUF001
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
    return str(value)
