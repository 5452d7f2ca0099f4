"""How guarantees of all sizes can be packed into what PFs have left, all other rules apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def find_packing(
    sizes: Sequence[int], domains: Sequence[int], room: Sequence[int | None]
) -> list[int] | None:
    """Find a PF for each guarantee so that none is overdrawn; None: there is no way.

    PF by PF, the smallest first: each is given every set of guarantees to which none of those left
    could be added, as long as no more is wasted than there is to spare. What is left over at a PF
    decides all that follows, and is looked at once.

    Args:
        sizes: Of each guarantee.
        domains: The PFs that each may be on, as bits.
        room: [PF] What it has left; None: nothing.
    """
    order = sorted(range(len(sizes)), key=lambda n: -sizes[n])
    bins = sorted((mbps, f) for f, mbps in enumerate(room) if mbps)
    packing = _Packing([sizes[n] for n in order], [domains[n] for n in order], bins)
    if not packing.holds(0, (1 << len(sizes)) - 1):
        return None
    found = [-1] * len(sizes)
    for (_, f), chosen in zip(bins, packing.chosen, strict=True):
        for k, n in enumerate(order):
            if chosen >> k & 1:
                found[n] = f
    return found


class _Packing:
    def __init__(
        self, sizes: Sequence[int], domains: Sequence[int], bins: Sequence[tuple[int, int]]
    ) -> None:
        self._sizes = sizes  # Descending.
        self._domains = domains
        self._bins = bins
        self._hopeless: set[tuple[int, int]] = set()
        self.chosen = [0] * len(bins)  # [bin] The guarantees in it, as bits.

    def holds(self, number: int, left: int) -> bool:
        """Whether the guarantees `left`, as bits, go into the bins from `number` on."""
        if not left:
            return True
        if number == len(self._bins) or (number, left) in self._hopeless:
            return False
        total = sum(size for n, size in enumerate(self._sizes) if left >> n & 1)
        spare = sum(room for room, _ in self._bins[number:]) - total
        if spare >= 0:
            room, f = self._bins[number]
            mine = [
                n for n in range(len(self._sizes)) if left >> n & 1 and self._domains[n] >> f & 1
            ]
            for chosen in self._fillings(mine, room, room - spare):
                if self.holds(number + 1, left & ~chosen):
                    self.chosen[number] = chosen
                    return True
        self._hopeless.add((number, left))
        return False

    def _fillings(self, mine: Sequence[int], room: int, least: int) -> Iterator[int]:
        """Sets of guarantees, as bits, of at least so much, to which no other could be added."""
        after = [0] * (len(mine) + 1)
        for k in range(len(mine) - 1, -1, -1):
            after[k] = after[k + 1] + self._sizes[mine[k]]

        def fill(k: int, chosen: int, has: int, smallest_out: int) -> Iterator[int]:
            if has + after[k] < least:
                return
            if k == len(mine):
                if has + smallest_out > room:
                    yield chosen
                return
            size = self._sizes[mine[k]]
            if has + size <= room:
                yield from fill(k + 1, chosen | 1 << mine[k], has + size, smallest_out)
            yield from fill(k + 1, chosen, has, size)

        return fill(0, 0, 0, room + 1)
