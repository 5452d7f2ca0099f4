"""Makes a plan's moves one by one on raw data, and says what is wrong with any of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.oracle.defrag_oracle import Best, Facts, RawDefrag, fits, rules_hold
from tests.properties.defrag_world import devices_of
from trunkline.domain.device import DeviceRef
from trunkline.placement.planning.defrag import Move, Plan


def replay(raw: RawDefrag, plan: Plan, dice: Random) -> list[str]:
    """Make the moves in a random order; no faults, no lines."""
    moves = list(plan.moves)
    dice.shuffle(moves)
    model = _Model(raw, {str(kin) for kin in plan.target})
    faults = [fault for move in moves for fault in model.make(move)]
    freed = model.facts.counted(sorted(model.target), [move.resident.name for move in moves])
    if freed < raw["free"]:
        faults.append(f"{freed} are free, not {raw['free']}")
    if freed != plan.free_after:
        faults.append(f"{freed} are free, not {plan.free_after} as told")
    return faults


def cost_of(raw: RawDefrag, plan: Plan) -> Best:
    """What a plan costs, counted from what it does."""
    memory = {server["name"]: server["memory"] for server in raw["servers"]}
    gone = [move for move in plan.moves if not move.is_refit]
    return Best(
        len(plan.moves),
        sum(len(move.changes) for move in plan.moves),
        sum(memory[move.resident.name] for move in gone),
    )


class _Model:
    """What is free now, device by device."""

    def __init__(self, raw: RawDefrag, target: set[str]) -> None:
        self.facts, self.target = Facts(raw), target
        self._room = {h["id"]: [h["vcpus"], h["memory"]] for h in raw["hosts"]}
        self._has = {server["name"]: devices_of(raw, server) for server in raw["servers"]}
        self._at_start = {ref for devices in self._has.values() for ref in devices.values()}

    def make(self, move: Move) -> Sequence[str]:
        server = self.facts.servers[move.resident.name]
        name, host = server["name"], str(move.placed.host_id)
        before = self._has[name]
        after = {choice.nic: choice.device for choice in move.placed.choices}
        if list(after) != [nic["name"] for nic in server["nics"]] or None in after.values():
            return [f"{name}: not all of its NICs have a device"]
        devices = {nic: ref for nic, ref in after.items() if ref is not None}
        told = {change.nic: (change.before, change.after) for change in move.changes}
        changed = {nic: (before[nic], ref) for nic, ref in devices.items() if before[nic] != ref}
        faults = [f"{name}: the changes told are not those made"] if told != changed else []
        if not self.facts.hosts[host]["in_service"]:
            faults.append(f"{name}: {host} is not in service")
        if host != server["host"]:
            room = self._room[host]
            room[0], room[1] = room[0] - server["vcpus"], room[1] - server["memory"]
            if min(room) < 0:
                faults.append(f"{name}: {host} has no room")
        for nic in server["nics"]:
            ref = devices[nic["name"]]
            pf = self.facts.pfs[str(ref.kin_id)]
            if pf["id"] in self.target:
                faults.append(f"{name}: {ref} is of the target")
            if ref == before[nic["name"]]:
                continue
            if pf["host"] != host or not fits(nic["wants"], pf):
                faults.append(f"{name}: {ref} does not fit {nic['name']}")
            if (ref.vf_index is None) != nic["whole"] or self._is_held(ref):
                faults.append(f"{name}: {ref} is not to be had")
            if (ref.vf_index or 0) >= pf["vfs"] - pf["lost_vfs"]:
                faults.append(f"{name}: {ref} is lost")
            if ref in self._at_start:
                faults.append(f"{name}: {ref} was held before the first move")
        pfs = {(name, nic): str(ref.kin_id) for nic, ref in devices.items()}
        if not rules_hold(self.facts, pfs):
            faults.append(f"{name}: its rules do not hold")
        self._has[name] = devices
        return faults

    def _is_held(self, wanted: DeviceRef) -> bool:
        """Whether it has an owner, or its PF has, or one of its VFs; lost ones are none's."""
        held = [ref for devices in self._has.values() for ref in devices.values()]
        kin = [ref for ref in held if ref.kin_id == wanted.kin_id]
        if wanted.vf_index is None:
            return bool(kin) or not self.facts.pfs[str(wanted.kin_id)]["offered"]
        return wanted in kin or DeviceRef(wanted.kin_id) in kin
