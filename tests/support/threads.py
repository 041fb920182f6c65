"""One thread for scikit-learn's own loops, which wait for each other where all cores are busy."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def limit_to_one_thread() -> AbstractContextManager[object]:
    """Within its body OpenMP and BLAS use a single thread."""
    return threadpool_limits(1)
