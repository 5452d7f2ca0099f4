"""What ranks hosts: criteria by name, and what an operator may say about their order.

docs/ranking.md describes each; the names are those of the configuration.
"""

from __future__ import annotations

import difflib
import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WEIGHT_MAX: Final = 1_000_000
WEIGHT_STEP: Final = 0.001


class Criterion(enum.Enum):
    """Of two hosts, the one that comes first. The values are part of the configuration."""

    SPARE_TAGS = "spare_tags"  # Fewest tags that its devices would have in vain.
    SPARE_HOSTS_WITH_DEVICES = "spare_hosts_with_devices"  # None, for a server that wants none.
    SPREAD_DEVICES = "spread_devices"  # Most devices that the request could use.
    PACK_DEVICES = "pack_devices"  # Fewest of them.
    SPREAD_VCPUS = "spread_vcpus"  # Most free.
    PACK_VCPUS = "pack_vcpus"
    SPREAD_MEMORY = "spread_memory"
    PACK_MEMORY = "pack_memory"
    SPREAD_DISK = "spread_disk"
    PACK_DISK = "pack_disk"

    def __init__(self, value: str) -> None:
        # What it is about; two criteria of one subject contradict each other.
        self.subject = value.partition("_")[2]
        # Whether the higher number comes first.
        self.wants_most = value.startswith("spread_")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Criteria in the order of their importance; or, with weights, added up."""

    criteria: tuple[Criterion, ...]
    weights: tuple[int, ...] = ()  # [criterion] In steps of `WEIGHT_STEP`. Empty: one by one.


DEFAULT_RANKING: Final = Ranking(
    (
        Criterion.SPARE_TAGS,
        Criterion.SPARE_HOSTS_WITH_DEVICES,
        Criterion.SPREAD_DEVICES,
        Criterion.SPREAD_MEMORY,
    )
)


class RankingFault(Exception):
    """Names or weights that make no ranking; `faults` has every reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def make_ranking(names: Sequence[str] | None, weights: Mapping[str, float] | None) -> Ranking:
    """Read a ranking: names in order of importance, or weights by name; neither is the default.

    Raises:
        RankingFault: A name is not known or given twice, two contradict each other, a weight is
            out of bounds, or both ways are used at once.
    """
    if names is None and weights is None:
        return DEFAULT_RANKING
    if names is not None and weights is not None:
        raise RankingFault(["ranking and weights exclude each other: remove one of them"])
    given = [*(names or ()), *(weights or ())]
    faults = list(_name_faults(given))
    if weights is not None:
        faults += _weight_faults(weights)
    if faults:
        raise RankingFault(faults)
    criteria = tuple(map(Criterion, given))
    if weights is None:
        return Ranking(criteria)
    return Ranking(criteria, tuple(round(weights[name] / WEIGHT_STEP) for name in given))


def _name_faults(names: Sequence[str]) -> Iterator[str]:
    known = [criterion.value for criterion in Criterion]
    of_subject: dict[str, str] = {}
    for at, name in enumerate(names):
        if name in names[:at]:
            yield f"{name} is given twice: remove one of them"
        elif name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f": did you mean {near[0]}?" if near else "."
            yield f"{name!r} is no criterion{hint} There are {', '.join(known)}"
        else:
            earlier = of_subject.setdefault(Criterion(name).subject, name)
            if earlier != name:
                yield f"{name} contradicts {earlier}: remove one of them"


def _weight_faults(weights: Mapping[str, float]) -> Iterator[str]:
    if not weights:
        yield "there is no weight: give one at least, or remove the table"
    for name, weight in weights.items():
        if not math.isfinite(weight) or not WEIGHT_STEP <= weight <= WEIGHT_MAX:
            yield (
                f"{name}: {weight} is not from {WEIGHT_STEP} to {WEIGHT_MAX}; what comes first is "
                "in the criterion's name, so that no weight is below 0"
            )
