"""Serve a problem's champion over REST, and take up the next one without a restart.

    python serve.py                                         # on port 5001
    python serve.py --alias champion,challenger --workers 4

Answers what `mlflow models serve` answers, to the same requests, by MLflow's
own scoring application. Besides, each answer tells the version that gave it
(X-Model-Version), a moved alias is taken up while requests go on, and there are
limits, logins, metrics and a log: see docs/serving.md. Asked once, it finishes
what is in flight before it stops; asked twice, it stops at once.

With --tokens FILE only those who send `Authorization: Bearer TOKEN` are
answered. The first of these prints a token and keeps its hash:

    python serve.py --tokens tokens.txt --new-token scoring
    python serve.py --tokens tokens.txt --host 0.0.0.0
"""

import argparse
import os
import re
import signal
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

import cli
import problems
from cli.terminal import print_message
from registry import aliases, store, versions
from serving import connections, tokens
from serving.settings import METRICS_FOLDER, Settings

MIB = 2**20
# a worker that has not answered its supervisor for so long hangs; a large body may take seconds
HANGS_SECONDS = 30


class Workers(Multiprocess):
    """uvicorn's supervisor, which remembers the signal that stopped it."""

    stopped_by = 0

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _frame: object) -> None:
        """Stop when the workers are looked after next; asked twice, at once."""
        if self.stopped_by:
            for process in self.processes:
                process.process.kill()
            raise SystemExit(128 + number)
        self.stopped_by = number
        self.signal_queue.append(number)


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__, database=False)
    made.add_argument(
        "--alias",
        default=aliases.CHAMPION,
        help="whose versions to serve, with commas between; /invocations is the first one's, "
        "/ALIAS/invocations each one's (default: %(default)s)",
    )
    made.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    made.add_argument(
        "--port",
        type=cli.at_least(1, 65535),
        default=5001,
        help="(default: %(default)s)",
    )
    for flag, kind, default, help in (
        ("--workers", cli.at_least(1, 256), 2, "processes that answer"),
        ("--refresh", cli.positive_seconds, 5.0, "seconds between looks at the aliases"),
        ("--timeout", cli.positive_seconds, 60.0, "seconds that a request may take"),
        ("--in-flight", cli.at_least(1, 10_000), 64, "most requests at once in a worker"),
        ("--max-body", cli.at_least(1, 1024), 32, "most MiB of a request"),
        ("--max-rows", cli.at_least(1, 10_000_000), 100_000, "most rows of a request"),
    ):
        made.add_argument(flag, type=kind, default=default, help=f"{help} (default: %(default)s)")
    made.add_argument("--tokens", default="", metavar="FILE", help="who may ask, by bearer tokens")
    made.add_argument(
        "--new-token", default="", metavar="NAME", help="add one to the file, and end"
    )
    cli.add_yes_no_flag(made, "--insecure", "let other machines ask without tokens")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    file = Path(args.tokens) if args.tokens else None
    if args.new_token:
        return new_token(file, args.new_token)
    if file:
        tokens.read(file)
    elif not args.insecure and not cli.is_loopback(args.host):
        raise cli.UserError(
            f"On {args.host} other machines could ask without a login: give --tokens FILE, or say "
            "--insecure if something in front of it asks for one."
        )
    connections.raise_descriptor_limit()  # before the workers start, which inherit it
    problem = problems.load(args.problem)
    wanted = tuple(dict.fromkeys(alias for alias in re.split("[, ]+", args.alias) if alias))
    if not wanted:
        raise cli.UserError("--alias names none: give one, or several with commas between.")
    found = resolved(problem.model_name, wanted)
    settings = Settings(
        model_name=problem.model_name,
        words=problem.outcome_labels,
        aliases=wanted,
        refresh=args.refresh,
        timeout=args.timeout,
        in_flight=args.in_flight,
        max_body=args.max_body * MIB,
        max_rows=args.max_rows,
        tokens=str(file.resolve()) if file else "",
    )
    with (
        connections.listen(args.host, args.port) as listener,
        tempfile.TemporaryDirectory() as metrics,
    ):
        settings.to_environment()
        os.environ[METRICS_FOLDER] = metrics
        # one row's small matrices gain nothing from a second thread, which then spins for work
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        print_message(
            f"Starting {found} at http://{cli.host_and_port(args.host, args.port)}; Ctrl-C ends it."
        )
        config = uvicorn.Config(
            "serving.application:create",
            factory=True,
            http=connections.Connection,
            workers=args.workers,
            backlog=connections.backlog(),
            access_log=False,  # ours has no query strings
            server_header=False,
            proxy_headers=False,  # what they say of a caller goes into the log
            timeout_graceful_shutdown=int(args.timeout) + 1,
            timeout_worker_healthcheck=HANGS_SECONDS,
        )
        workers = Workers(config, sockets=[listener])
        workers.run()
    return 128 + workers.stopped_by if workers.stopped_by else 1


def new_token(file: Path | None, name: str) -> int:
    if file is None:
        raise cli.UserError("--new-token adds to a file: name it with --tokens FILE.")
    print(tokens.issue(file, name))
    print_message(f"Only its hash is kept, in {file}: whoever asks gives it as ENDPOINT_TOKEN.")
    return 0


def resolved(model_name: str, wanted: Sequence[str]) -> str:
    """Which versions the aliases mean now, in words.

    Raises:
        RegistryError: the first alias means none, or what it means cannot be served.
    """
    client, found = store.connect(), []
    for alias in wanted:
        if alias != wanted[0] and not aliases.version_number(client, model_name, alias):
            found.append(f"nothing yet as {alias}")
            continue
        version = versions.resolve(client, f"models:/{model_name}@{alias}")
        found.append(f"{version.model_id} as {alias}")
    return ", ".join(found)


if __name__ == "__main__":
    cli.run(main)
