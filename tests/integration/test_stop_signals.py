"""A script that is stopped by a signal: its exit code, and what it still writes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import PROJECT
from tests.support.waiting import DEADLINE_SECONDS

# Its end makes the thread fail, which Python would report with a traceback.
FAILS_AT_ITS_END = f"""
import sys, threading
sys.path.insert(0, {str(PROJECT)!r})
import cli

ended = threading.Event()

def fail_at_the_end():
    ended.wait()
    raise KeyError("something that the end of the script took away")

def main():
    thread = threading.Thread(target=fail_at_the_end)
    thread.start()
    try:
        print("at work", flush=True)
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
def test_a_stopped_script_shows_no_traceback_of_its_threads(
    signal_number: signal.Signals, exit_code: int, expected_error: str, tmp_path: Path
) -> None:
    script = tmp_path / "fails_at_its_end.py"
    script.write_text(FAILS_AT_ITS_END)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so would everything that is started there
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "at work\n"
            process.send_signal(signal_number)
            _, error = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
    assert (process.returncode, error) == (exit_code, expected_error)
