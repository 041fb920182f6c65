"""Which rows are held out: decided by the key alone, so it is the same every day, everywhere."""

import hashlib
from collections.abc import Iterable, Sequence

HELD_OUT_SHARE = 0.25  # of the groups: enough clicks for an interval, most rows left to learn from

# digests below this one, as numbers, are that share of all
LEAST_KEPT_IN = int(HELD_OUT_SHARE * 2**64).to_bytes(8, "big")


def held_out_mask(groups: Iterable[object]) -> list[bool]:
    """For each row's group key, is it held out from the training of every version."""
    known: dict[object, bool] = {}
    return [
        known[group] if group in known else known.setdefault(group, _is_held_out(group))
        for group in groups
    ]


def trained_on_mask(
    groups: Sequence[object], loads: Sequence[int | None], last_load: int | None
) -> list[bool | None]:
    """For each row, given its group key and its load, may a version have learned from it.

    The version was trained on this database's rows up to `last_load`: None if on other data, or if
    the rows' loads are not known, and then nobody knows. A row without a label has no load.
    """
    if last_load is None:
        return [None] * len(groups)
    return [
        load is not None and load <= last_load and not out
        for load, out in zip(loads, held_out_mask(groups), strict=True)
    ]


def _is_held_out(group: object) -> bool:
    return hashlib.blake2b(str(group).encode(), digest_size=8).digest() < LEAST_KEPT_IN
