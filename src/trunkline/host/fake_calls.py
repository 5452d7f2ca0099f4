"""How a call to a simulated libvirt is begun, refused, answered and logged."""

from __future__ import annotations

from pathlib import Path

from trunkline.domain.ids import ServerId
from trunkline.host.fake_domains import DomainRecord, HypervisorState
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.faults import RefuseNext, SlowNext, is_slow, refusal
from trunkline.host.state_file import Held, LogEntry, StateFile
from trunkline.reconcile.interfaces import HostRefused

_Held = Held[HypervisorState]


class FakeCalls:
    """What the calls of a simulated libvirt have in common."""

    def __init__(self, file: StateFile[HypervisorState], kernel: FakeKernel, by: str) -> None:
        self._file = file
        self._kernel = kernel
        self._by = by

    # To look at

    @property
    def path(self) -> Path:
        """The state file."""
        return self._file.path

    def log(self) -> tuple[LogEntry, ...]:
        """Every attempted write since the machine was made, oldest first."""
        return self._file.log()

    def state(self) -> HypervisorState:
        """The state as it is now, to look at."""
        return self._file.read()

    # From outside

    def plant(self, fault: RefuseNext | SlowNext) -> None:
        """Plant a fault; it lasts until it is used up."""
        with self._file.held() as held:
            held.state.faults.append(fault)
            held.save()

    def take_last(self) -> None:
        """Take the last of a network's free devices from now on: nobody may count on the first."""
        with self._file.held() as held:
            held.state.takes_last = True
            held.save()

    def clear_faults(self) -> None:
        """Take all planted faults away."""
        with self._file.held() as held:
            held.state.faults.clear()
            held.save()

    def busy(self) -> frozenset[ServerId]:
        """Return the servers of which a start or stop is under way."""
        domains = self._file.read().domains
        return frozenset(each for each, record in domains.items() if record.under_way)

    # For the calls

    def _begins(self, held: _Held, record: DomainRecord, operation: str, command: str) -> bool:
        """Say whether an operation is under way, by now or since before, and to be left at that."""
        if record.under_way == operation:
            return True
        self._require_idle(held, record, command)
        if not is_slow(held.state.faults, operation):
            return False
        record.under_way = operation
        held.save()
        return True

    def _require_idle(self, held: _Held, record: DomainRecord, command: str) -> None:
        if record.under_way:
            # Source: libvirt src/conf/domainjob.c, virDomainObjBeginJobInternal().
            problem = "Timed out during operation: cannot acquire state change lock"
            cause = HostRefused(command, problem, transient=True)
            raise self._refuse(held, command, problem, cause=cause)

    def _tell_failure(self, held: _Held, record: DomainRecord, operation: str) -> None:
        """Raise what came of the last call that was under way, once, if it was this one."""
        failed, record.failed = record.failed, None
        if failed is not None and failed.operation == operation:
            held.save()
            raise failed.refusal()

    def _planted(self, held: _Held, operation: str, command: str) -> RefuseNext | None:
        """Refuse as planted; or return what is to be answered once all is done."""
        planted = refusal(held.state.faults, operation)
        if planted is None or planted.applied:
            return planted
        raise self._refuse(held, command, f"refused as planted ({planted.errno})")

    def _answer(self, held: _Held, command: str, planted: RefuseNext | None) -> None:
        if planted is not None:
            raise self._refuse(held, command, f"done, answered as planted ({planted.errno})")
        self._log(held, by=self._by, command=command, result="OK")

    def _log(self, held: _Held, *, by: str, command: str, result: str) -> None:
        number = self._kernel.state().log_number
        held.commit(by=by, command=command, result=result, kernel_number=number)

    def _record(self, held: _Held, server_id: ServerId, command: str) -> DomainRecord:
        record = held.state.domains.get(server_id)
        if record is None:
            raise self._refuse(
                held, f"{command} {server_id}", f"no domain with matching uuid '{server_id}'"
            )
        return record

    def _refuse(
        self,
        held: _Held,
        command: str,
        problem: str,
        *,
        cause: HostRefused | None = None,
    ) -> HostRefused:
        self._log(held, by=self._by, command=command, result=problem)
        if cause is None:
            return HostRefused(command, problem)
        return HostRefused(command, problem, errno_name=cause.errno_name, transient=cause.transient)
