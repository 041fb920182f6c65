"""A script that is stopped by a signal: its exit code and its output."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_SECONDS

# When this script ends, its thread fails, which Python would report with a traceback.
SCRIPT = f"""
import sys, threading
sys.path.insert(0, {str(PROJECT)!r})
import cli

ended = threading.Event()

def fail_when_the_script_ends():
    ended.wait()
    raise KeyError("removed when the script ended")

def main():
    thread = threading.Thread(target=fail_when_the_script_ends)
    thread.start()
    try:
        print("working", flush=True)
        threading.Event().wait()
    finally:
        ended.set()
        thread.join()

cli.run(main)
"""


@pytest.mark.parametrize(
    ("signal_number", "exit_code", "expected_error"),
    [(signal.SIGINT, 130, "Stopped.\n"), (signal.SIGTERM, 143, "")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_stopped_script_prints_no_traceback_of_its_threads(
    signal_number: signal.Signals, exit_code: int, expected_error: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # background jobs of a shell ignore SIGINT, and their child processes inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "working\n"
            process.send_signal(signal_number)
            _, error = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
    assert (process.returncode, error) == (exit_code, expected_error)
