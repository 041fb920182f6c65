"""Serve the champion over REST, and switch to a new one without a restart.

    python serve.py                                         # on port 5001
    python serve.py --alias champion,challenger --workers 4

The server accepts the same requests and returns the same predictions as
`mlflow models serve`. In addition, it names the model version in each response
(header X-Model-Version), follows a moved alias without interrupting requests,
and has limits, tokens, metrics and a log. See docs/serving.md.

To require `Authorization: Bearer TOKEN` from clients, create a token (it is
printed once; the file stores only its hash), then start the server with the
file:

    python serve.py --tokens tokens.txt --new-token scoring
    python serve.py --tokens tokens.txt --host 0.0.0.0

The first Ctrl-C or SIGTERM stops the server after the requests in flight; the
second one stops it at once.
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
from cli import flags
from cli.terminal import print_message
from registry import aliases, store, versions
from serving import connections, tokens
from serving.settings import METRICS_FOLDER, Settings

MIB = 2**20
WORKER_TIMEOUT_SECONDS = 30  # until a worker that does not respond is replaced


class Supervisor(Multiprocess):
    """uvicorn's supervisor of worker processes, which remembers the signal that stopped it."""

    stopped_by = 0

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: object) -> None:
        """Stop at the next check of the workers; a second signal kills them at once."""
        if self.stopped_by:
            for process in self.processes:
                process.process.kill()
            raise SystemExit(128 + number)
        self.stopped_by = number
        self.signal_queue.append(number)


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__, database=False)
    alias = (
        "comma-separated aliases to serve; the first is served at /invocations, and each at "
        "/ALIAS/invocations"
    )
    flags.add_flag(parser, "--alias", "NAMES", alias, aliases.CHAMPION)
    flags.add_address_flags(parser, 5001)
    refresh = "seconds between checks of which versions the aliases point to"
    positive, rows = flags.positive_seconds, flags.at_least(1, 10_000_000)
    in_flight = "maximum number of requests in flight per worker"
    for flag, metavar, help, default, kind in (
        ("workers", "N", "number of worker processes", 2, flags.at_least(1, 256)),
        ("refresh", "SECONDS", refresh, 5.0, positive),
        ("timeout", "SECONDS", "time limit per request", 60.0, positive),
        ("in-flight", "N", in_flight, 64, flags.at_least(1, 10_000)),
        ("max-body", "MIB", "maximum size of a request body in MiB", 32, flags.at_least(1, 1024)),
        ("max-rows", "N", "maximum number of rows per request", 100_000, rows),
    ):
        flags.add_flag(parser, f"--{flag}", metavar, help, default, kind)
    flags.add_flag(parser, "--tokens", "FILE", "require a bearer token whose hash is in this file")
    new = "create a token with this name, store its hash in the --tokens file, print it, and exit"
    flags.add_flag(parser, "--new-token", "NAME", new)
    insecure = "accept a --host that other machines can reach even without --tokens"
    flags.add_yes_no_flag(parser, "--insecure", insecure)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    token_file = Path(args.tokens) if args.tokens else None
    if args.new_token:
        return print_new_token(token_file, args.new_token)
    if token_file:
        tokens.read(token_file)
    elif not args.insecure and not cli.is_loopback(args.host):
        raise cli.UserError(
            f"On {args.host} other machines could connect without a token: give --tokens FILE, or "
            "give --insecure if a proxy in front of this server authenticates clients."
        )
    problem = problems.load(args.problem)
    served_aliases = tuple(dict.fromkeys(alias for alias in re.split("[, ]+", args.alias) if alias))
    if not served_aliases:
        raise cli.UserError("--alias is empty: give one alias, or several separated by commas.")
    settings = Settings(
        model_name=problem.model_name,
        outcome_labels=problem.outcome_labels,
        aliases=served_aliases,
        refresh_seconds=args.refresh,
        timeout_seconds=args.timeout,
        max_in_flight=args.in_flight,
        max_body_bytes=args.max_body * MIB,
        max_rows=args.max_rows,
        token_file=str(token_file.resolve()) if token_file else "",
    )
    return serve(settings, args.host, args.port, args.workers)


def print_new_token(file: Path | None, name: str) -> int:
    if file is None:
        raise cli.UserError("--new-token needs a file for the token: give --tokens FILE.")
    print(tokens.issue(file, name))
    print_message(f"{file} has only its hash: clients pass the token as ENDPOINT_TOKEN.")
    return 0


def serve(settings: Settings, host: str, port: int, workers: int) -> int:
    """Run the workers until a signal stops them, and return the exit code."""
    connections.raise_descriptor_limit()  # the workers inherit it
    description = describe_versions(settings)
    with connections.listen(host, port) as listener, tempfile.TemporaryDirectory() as folder:
        settings.to_environment()
        os.environ[METRICS_FOLDER] = folder
        # for OpenBLAS, too: a second thread gains nothing for a single row, and wastes a core
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        address = cli.host_and_port(host, port)
        print_message(f"Serving {description} at http://{address}. Press Ctrl-C to stop.")
        config = uvicorn.Config(
            "serving.application:create_app",
            factory=True,
            http=connections.Connection,
            workers=workers,
            backlog=connections.backlog(),
            access_log=False,  # it would contain query strings, unlike our own log
            server_header=False,
            proxy_headers=False,  # clients could forge their address in the log
            timeout_graceful_shutdown=int(settings.timeout_seconds) + 1,
            timeout_worker_healthcheck=WORKER_TIMEOUT_SECONDS,
        )
        supervisor = Supervisor(config, [listener])
        supervisor.run()
    return 128 + supervisor.stopped_by if supervisor.stopped_by else 1


def describe_versions(settings: Settings) -> str:
    """The current version of each alias, such as "NAME/3 as champion".

    Raises:
        RegistryError: the first alias has no version, or a version cannot be served.
    """
    client, descriptions = store.connect(), []
    for alias in settings.aliases:
        is_first = alias == settings.aliases[0]
        if not is_first and not aliases.version_number(client, settings.model_name, alias):
            descriptions.append(f"no version yet as {alias}")
            continue
        version = versions.resolve(client, f"models:/{settings.model_name}@{alias}")
        descriptions.append(f"{version.model_id} as {alias}")
    return ", ".join(descriptions)


if __name__ == "__main__":
    cli.run(main)
