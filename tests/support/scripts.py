"""Run the project's scripts: in this process, in a separate process, or with `mlflow run`."""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import pytest

import cli
from tests.support.project import CONFIGURATION_VARIABLES, PROJECT
from tests.support.waiting import DEADLINE_SECONDS

# Importing MLflow and scikit-learn takes seconds, so a fork server imports them once, and forks a
# process for each script.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.support.preload"])


def run_main(main: Callable[[Sequence[str]], int], *argv: object) -> int:
    """Run a script's `main` in this process as the script does, and return its exit code."""
    with pytest.raises(SystemExit) as exit_error:
        cli.run(lambda: main([str(arg) for arg in argv]))
    assert isinstance(exit_error.value.code, int)
    return exit_error.value.code


class ScriptProcess:
    """A script in a separate process, with an interface like that of `subprocess.Popen`."""

    def __init__(
        self,
        script: str,
        argv: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        new_session: bool,
    ) -> None:
        stdout, stdout_writer = FORKS.Pipe(duplex=False)
        stderr, stderr_writer = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(
            target=_run_as_main,
            args=(script, argv, cwd, environment, stdout_writer, stderr_writer, new_session),
        )
        self._process.start()
        stdout_writer.close()
        stderr_writer.close()
        self.stdout, self.stderr = _open_text(stdout), _open_text(stderr)
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float = DEADLINE_SECONDS) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout)
        return self._process.exitcode

    def communicate(self, timeout: float = DEADLINE_SECONDS) -> tuple[str, str]:
        """Wait until the process ends, and return all its output."""
        readers = ThreadPoolExecutor(2)
        texts = [readers.submit(file.read) for file in (self.stdout, self.stderr)]
        try:
            self.wait(timeout)
            output, error = (text.result(timeout) for text in texts)
        finally:
            # a child process that outlives the script would keep its output open
            readers.shutdown(wait=False)
        return output, error

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.join()
        self.stdout.close()
        self.stderr.close()


def _open_text(connection: Connection) -> IO[str]:
    file = os.fdopen(os.dup(connection.fileno()), encoding="utf-8", errors="replace")
    connection.close()
    return file


def _run_as_main(
    script: str,
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    stdout: Connection,
    stderr: Connection,
    new_session: bool,
) -> None:
    """Run the script in this process, as `python script` does."""
    if new_session:
        os.setsid()
    # background jobs of a shell ignore SIGINT, and their child processes inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    stdout.close()
    stderr.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [script, *argv]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        # multiprocessing skips these steps when the interpreter exits
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


@contextlib.contextmanager
def start_script(
    script: str, *argv: object, cwd: Path, new_session: bool = False, **environment: str
) -> Iterator[ScriptProcess]:
    """Start a script in a separate process; if it still runs after the body, kill it.

    Of the environment variables that configure our scripts, it sees only those passed here.
    """
    process = ScriptProcess(
        str(PROJECT / script),
        [str(arg) for arg in argv],
        cwd,
        script_environment(environment),
        new_session=new_session,
    )
    try:
        yield process
    finally:
        process.close()


def run_script(
    script: str, *argv: object, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a separate process until it ends."""
    with start_script(script, *argv, cwd=cwd, new_session=False, **environment) as process:
        output, error = process.communicate(DEADLINE_SECONDS * 2)
        assert process.returncode is not None
        return subprocess.CompletedProcess([script], process.returncode, output, error)


def script_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a script, without variables that configure it except these."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in CONFIGURATION_VARIABLES
    }
    return {**inherited, "COLUMNS": "80", **environment}


def path_with_python() -> str:
    """Return PATH with this interpreter's folder first; `mlflow` starts python and uvicorn."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def mlflow_run(cwd: Path, tracking_uri: str, **parameters: object) -> str:
    """Run `mlflow run . --env-manager local`, and return its output."""
    command = [sys.executable, "-m", "mlflow", "run", str(PROJECT), "--env-manager", "local"]
    for name, value in parameters.items():
        command += ["-P", f"{name}={value}"]
    process = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri, "PATH": path_with_python()},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * 4,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


def run_documented_block(name: str, cwd: Path, environment: dict[str, str]) -> None:
    """Run the block of commands with this name in docs/shared.md."""
    text = (PROJECT / "docs" / "shared.md").read_text()
    _, marker, rest = text.partition(f"```sh {name}\n")
    assert marker
    block = rest.partition("```")[0]
    subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=cwd,
        env=script_environment(environment),
        check=True,
        timeout=DEADLINE_SECONDS * 2,
    )
