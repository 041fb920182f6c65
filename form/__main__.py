"""A form in the browser: enter one row by hand, and a served model says what it thinks of it.

    python serve.py --alias champion,challenger   # in a terminal
    python -m form --challenger http://127.0.0.1:5001/challenger   # in another, or: make form

Opens at http://127.0.0.1:8000. The fields are those of the problem, the choices those of its
tables. Rows that compete, as the offers to one person do, are entered together and ranked. Each
answer is proved to be the version's and stored among the problem's results, as `source` form; all
that was entered can be had as a CSV file, to label it and train on it. Needs a database filled by
ingest.py; there is no login, so it listens to this machine only, unless told --insecure.
"""

import argparse
import os
from collections.abc import Sequence

import uvicorn

import cli
import problems
from cli.terminal import print_message
from db.engine import database_url, open_database
from db.schema import require_tables
from form.app import MAX_BODY_BYTES, create_app
from form.entry_scorer import EntryScorer
from form.wsgi import ThreadedApp
from registry import aliases, store
from scoring.endpoint import ModelEndpoint, Timeouts
from serving import connections

LOCK_SECONDS = 5.0  # that the person waits for a database which is locked
TIMEOUT = 30.0  # seconds that a person waits for an answer


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    made.prog = "python -m form"
    for alias, default in ((aliases.CHAMPION, "http://127.0.0.1:5001"), (aliases.CHALLENGER, "")):
        made.add_argument(
            f"--{alias}", default=default, metavar="URL",
            help=f"where the {alias} is served (default: {default or 'it is not asked'})",
        )  # fmt: skip
    made.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    made.add_argument(
        "--port", type=cli.at_least(1, 65535), default=8000, help="(default: %(default)s)"
    )
    cli.add_yes_no_flag(made, "--insecure", "let other machines see and enter rows")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if not args.insecure and not cli.is_loopback(args.host):
        raise cli.UserError(
            f"On {args.host} other machines could see what was entered: put something that asks "
            "for a login in front of it, and say --insecure."
        )
    problem = problems.load(args.problem)
    token = os.environ.get("ENDPOINT_TOKEN", "")
    endpoints = {
        alias: ModelEndpoint(url, Timeouts(read=TIMEOUT), token)
        for alias, url in ((a, getattr(args, a)) for a in (aliases.CHAMPION, aliases.CHALLENGER))
        if url
    }
    store.connect()
    connections.raise_descriptor_limit()
    address = cli.host_and_port(args.host, args.port)
    hosts = ("localhost", args.host) if cli.is_loopback(args.host) else ()
    with (
        open_database(database_url(args.database), lock_seconds=LOCK_SECONDS) as engine,
        connections.listen(args.host, args.port) as listener,
    ):
        require_tables(engine, problem.metadata)
        print_message(f"The form for {problem.name} is at http://{address}; Ctrl-C ends it.")
        app = create_app(EntryScorer(engine, problem, endpoints), hosts)
        config = uvicorn.Config(
            ThreadedApp(app, MAX_BODY_BYTES),
            http=connections.Connection,
            backlog=connections.backlog(),
            lifespan="off",
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,  # browsers keep connections open that they do not use
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    cli.run(main)
