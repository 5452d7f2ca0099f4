"""How guarantees of all sizes can be packed into what PFs have left, all other rules apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Mbps = tuple[int, int]  # Egress, ingress.


def find_packing(
    sizes: Sequence[Mbps], domains: Sequence[int], room: Sequence[Mbps]
) -> list[int] | None:
    """Find a PF for each guarantee so that none is overdrawn; None: there is no way.

    PF by PF, the smallest first: each is given every set of guarantees to which none of those left
    could be added, as long as no more is wasted than there is to spare. What is left over at a PF
    decides all that follows, and is looked at once.

    Args:
        sizes: Of each guarantee.
        domains: The PFs that each may be on, as bits.
        room: [PF] What it has left.
    """
    order = sorted(range(len(sizes)), key=lambda n: (-sum(sizes[n]), n))
    bins = sorted((sum(mbps), f) for f, mbps in enumerate(room))
    packing = _Packing(
        [sizes[n] for n in order], [domains[n] for n in order], [(room[f], f) for _, f in bins]
    )
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
        self, sizes: Sequence[Mbps], domains: Sequence[int], bins: Sequence[tuple[Mbps, int]]
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
        rooms = [room for room, _ in self._bins[number:]]
        sizes = [size for n, size in enumerate(self._sizes) if left >> n & 1]
        egress, ingress = (sum(r[d] for r in rooms) - sum(s[d] for s in sizes) for d in (0, 1))
        if egress >= 0 and ingress >= 0:
            room, f = self._bins[number]
            mine = [
                n for n in range(len(self._sizes)) if left >> n & 1 and self._domains[n] >> f & 1
            ]
            for chosen in self._fillings(mine, room, (room[0] - egress, room[1] - ingress)):
                if self.holds(number + 1, left & ~chosen):
                    self.chosen[number] = chosen
                    return True
        self._hopeless.add((number, left))
        return False

    def _fillings(self, mine: Sequence[int], room: Mbps, least: Mbps) -> Iterator[int]:
        """Sets of guarantees, as bits, of at least so much, to which no other could be added."""
        sizes = [self._sizes[n] for n in mine]
        after = [(0, 0)]  # [number of the last ones] All of these together.
        for egress, ingress in reversed(sizes):
            after.append((after[-1][0] + egress, after[-1][1] + ingress))

        def fill(k: int, chosen: int, out: int, egress: int, ingress: int) -> Iterator[int]:
            """Go on from the guarantee `k`, with how much is left of the room."""
            more = after[len(mine) - k]
            if room[0] - egress + more[0] < least[0] or room[1] - ingress + more[1] < least[1]:
                return
            if k == len(mine):
                if not any(
                    out >> n & 1 and size[0] <= egress and size[1] <= ingress
                    for n, size in enumerate(sizes)
                ):
                    yield chosen
                return
            size = sizes[k]
            if size[0] <= egress and size[1] <= ingress:
                yield from fill(
                    k + 1, chosen | 1 << mine[k], out, egress - size[0], ingress - size[1]
                )
            yield from fill(k + 1, chosen, out | 1 << k, egress, ingress)

        return fill(0, 0, 0, *room)
