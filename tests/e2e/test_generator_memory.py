"""The generator's memory does not grow with the number of rows."""

import subprocess
import sys
from pathlib import Path

from tests.support.project import PROJECT

GENERATOR = PROJECT / "data" / "offer_click" / "generate.py"


def peak_memory(leads: int, folder: Path) -> int:
    """Return the peak memory of a process that generates this many leads."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, GENERATOR, "--leads", leads, "--to", folder]
    process = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True
    )
    return int(process.stdout)


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    assert peak_memory(60_000, tmp_path) < 1.25 * peak_memory(10_000, tmp_path)
