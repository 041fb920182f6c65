"""Start a web form that sends rows entered by hand to a model server, and shows their scores.

    python serve.py --alias champion,challenger   # in one terminal
    python -m form --challenger http://127.0.0.1:5001/challenger   # in another

The form is at http://127.0.0.1:8000. It has a field for each feature. Text
features are chosen from the values that occur most often in the database. Rows
that compete with each other, such as the offers to one applicant, are entered
together and ranked. The form verifies that each prediction comes from the
version that the alias points to, and stores the prediction in the results table
with `form` in the column `source`. All entries can be downloaded as a CSV file:
add a label column, and `train.py --table` can train on it.

Load the database with ingest.py first. The form has no login, so it accepts
connections only from this machine unless --insecure is given.
"""

import argparse
import os
from collections.abc import Sequence

import uvicorn

import cli
import problems
from cli import flags
from cli.terminal import print_message
from db.engine import database_url, open_database
from db.schema import require_tables
from form.app import MAX_BODY_BYTES, create_app
from form.entry_scorer import EntryScorer
from form.wsgi import ThreadedApp
from registry import aliases, store
from scoring.endpoint import ModelEndpoint, Timeouts
from serving import connections

LOCK_SECONDS = 5.0  # how long a request waits for a locked database
TIMEOUT_SECONDS = 30.0  # how long a request waits for a prediction


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__)
    parser.prog = "python -m form"
    only_champion = "none; the form then offers only the champion"
    for alias, url in ((aliases.CHAMPION, "http://127.0.0.1:5001"), (aliases.CHALLENGER, "")):
        help = f"URL of the {alias}'s endpoint (default: {url or only_champion})"
        flags.add_flag(parser, f"--{alias}", "URL", help, url)
    flags.add_address_flags(parser, 8000)
    insecure = "accept a --host that other machines can reach; their users can see and enter rows"
    flags.add_yes_no_flag(parser, "--insecure", insecure)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if not args.insecure and not cli.is_loopback(args.host):
        raise cli.UserError(
            f"On {args.host} other machines could see what is entered: give --insecure if a proxy "
            "in front of the form authenticates its users."
        )
    problem = problems.load(args.problem)
    token = os.environ.get("ENDPOINT_TOKEN", "")
    urls = {aliases.CHAMPION: args.champion, aliases.CHALLENGER: args.challenger}
    endpoints = {
        alias: ModelEndpoint(url, Timeouts(read=TIMEOUT_SECONDS), token)
        for alias, url in urls.items()
        if url
    }
    store.connect()
    connections.raise_descriptor_limit()
    host = f"[{args.host}]" if ":" in args.host else args.host
    hosts = ("localhost", host) if cli.is_loopback(args.host) else ()
    with (
        open_database(database_url(args.database), lock_seconds=LOCK_SECONDS) as engine,
        connections.listen(args.host, args.port) as listener,
    ):
        require_tables(engine, problem.metadata)
        address = cli.host_and_port(args.host, args.port)
        print_message(f"The form for {problem.name} is at http://{address}. Press Ctrl-C to stop.")
        config = uvicorn.Config(
            ThreadedApp(create_app(EntryScorer(engine, problem, endpoints), hosts), MAX_BODY_BYTES),
            http=connections.Connection,
            backlog=connections.backlog(),
            lifespan="off",
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,  # browsers keep idle connections open
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    cli.run(main)
