"""Which event came last before another of the same connection, and which comes first behind it."""

from __future__ import annotations

import numpy as np

from smtplab.logs.columns import Hashes, Places


def before(group: Hashes, seq: Places, of_group: Hashes, of_seq: Places) -> Places:
    """For each row the last of the others of its group whose number is not greater; -1 where there is none."""
    return _nearest(group, seq, of_group, of_seq)


def behind(group: Hashes, seq: Places, of_group: Hashes, of_seq: Places) -> Places:
    """For each row the first of the others of its group whose number is not smaller; -1 where there is none."""
    return _nearest(group, -seq, of_group, -of_seq)


def _nearest(group: Hashes, seq: Places, of_group: Hashes, of_seq: Places) -> Places:
    count = len(of_group)
    found = np.full(len(group), -1)
    if not count or not len(group):
        return found
    groups, numbers = np.concatenate([of_group, group]), np.concatenate([of_seq, seq])
    # Stable: among equal numbers the others stand first.
    order = np.argsort(numbers, kind="stable")
    order = order[np.argsort(groups[order], kind="stable")]
    place = np.where(order < count, np.arange(len(order)), -1)
    np.maximum.accumulate(place, out=place)
    other = order[place]
    fits = (place >= 0) & (groups[other] == groups[order])
    mine = order >= count
    found[order[mine] - count] = np.where(fits, other, -1)[mine]
    return found


def nth(group: Places) -> Places:
    """The how many-th of its group each row is, from 1 on."""
    order = np.argsort(group, kind="stable")
    inside = group[order]
    starts = np.flatnonzero(np.append(True, inside[1:] != inside[:-1])) if len(order) else np.array([], np.int64)
    made = np.empty(len(group), np.int64)
    made[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group)))) + 1
    return made
