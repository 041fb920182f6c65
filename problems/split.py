"""The held-out set: a hash of the group key decides, so it never changes for a problem."""

import hashlib
from collections.abc import Iterable, Sequence

HELD_OUT_SHARE = 0.25  # of the groups
HELD_OUT_BELOW = int(HELD_OUT_SHARE * 2**64).to_bytes(8, "big")


def held_out_mask(groups: Iterable[object]) -> list[bool]:
    """For the group key of each row, whether the row is held out from every training."""
    groups = list(groups)
    is_held_out = {group: _is_held_out(group) for group in set(groups)}
    return [is_held_out[group] for group in groups]


def trained_on_mask(
    groups: Sequence[object], loads: Sequence[int | None], last_load: int | None
) -> list[bool | None]:
    """For each row, whether a version may have been trained on it; None if that is unknown.

    `groups` and `loads` hold the group key and the load of each row; a row without a label has no
    load. The version was trained on the rows of this database up to `last_load`, which is None if
    it was trained on other data or if the loads of the rows are unknown.
    """
    if last_load is None:
        return [None] * len(groups)
    return [
        load is not None and load <= last_load and not is_held_out
        for load, is_held_out in zip(loads, held_out_mask(groups), strict=True)
    ]


def _is_held_out(group: object) -> bool:
    return hashlib.blake2b(str(group).encode(), digest_size=8).digest() < HELD_OUT_BELOW
