"""Limit scikit-learn to one thread: its threads wait for each other when all cores are busy."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def limit_to_one_thread() -> AbstractContextManager[object]:
    """Let OpenMP and BLAS use only one thread in the body."""
    return threadpool_limits(1)
