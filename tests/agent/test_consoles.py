"""Asks for consoles, answered by the real agent on a simulated host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.agent.world import World
from trunkline.agent.consoles import AT_ONCE_MAX
from trunkline.domain.console import ConsoleAsk, ConsoleFact
from trunkline.domain.ids import ServerId
from trunkline.reconcile.interfaces import HostRefused


def ask(world: World, *server_ids: ServerId) -> int:
    """Ask for consoles without raising the generation; return the last ask's number."""
    config = world.control.config
    assert config is not None
    first = config.consoles_asked + 1
    asks = tuple(ConsoleAsk(server_id=each, number=first + n) for n, each in enumerate(server_ids))
    last = first + len(server_ids) - 1
    world.control.config = replace(config, consoles=asks, consoles_asked=last)
    return last


def told(world: World) -> list[ConsoleFact]:
    return [fact for report in world.control.reports for fact in report.consoles]


def test_a_console_is_told_once_for_each_ask_and_costs_no_write(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    writes = world.writes()
    number = ask(world, server.id)
    world.run(agent, seconds=5)
    (fact,) = told(world)
    assert (fact.server_id, fact.number, fact.problem) == (server.id, number, "")
    nic = server.nics[0]
    assert f"eth0: {nic.mac} at " in fact.said.decode()
    assert fact.said.decode().endswith(f"{server.id} login: ")
    assert world.control.config is not None
    world.control.config = replace(world.control.config, consoles=())
    world.run(agent, seconds=60)
    assert told(world) == [fact]
    ask(world, server.id)
    world.run(agent, seconds=5)
    assert [each.said for each in told(world)] == [fact.said, fact.said]
    assert world.writes() == writes


def test_asks_are_answered_after_the_service_forgot_some_with_a_restored_database(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    for _ in range(3):
        ask(world, server.id)
        world.run(agent, seconds=5)
    assert world.control.config is not None
    world.control.config = replace(world.control.config, consoles=(), consoles_asked=0)
    first = ask(world, server.id)
    world.run(agent, seconds=5)
    assert [fact.number for fact in told(world)] == [1, 2, 3, first]
    assert first == 1


def test_what_a_guest_said_before_it_crashed_is_kept_with_what_it_says_now(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    world.machine.hypervisor.crash_guest(server.id)
    world.run(agent, seconds=5)
    ask(world, server.id)
    world.run(agent, seconds=5)
    said = told(world)[0].said.decode()
    assert said.index("Kernel panic") < said.rindex("login: ")
    assert said.count("login: ") == 2


def test_a_new_run_answers_what_the_last_one_did_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    _, server = world.with_a_server()
    number = ask(world, server.id)
    world.run(world.an_agent(), seconds=5)
    assert [fact.number for fact in told(world)] == [number]


def test_many_are_answered_a_few_at_a_time_and_none_is_lost_with_a_report(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, _ = world.with_a_server()
    unknown = [ServerId(f"00000000-0000-4000-8000-{number:012x}") for number in range(100, 110)]
    ask(world, *unknown)
    world.control.lose_reports = True
    world.run(agent, seconds=5)
    assert len(agent.reporter.consoles) == AT_ONCE_MAX
    world.control.lose_reports = False
    world.run(agent, seconds=5)
    assert [fact.server_id for fact in told(world)] == unknown
    assert {fact.said for fact in told(world)} == {b""}, "of whom nothing was heard"
    assert max(len(report.consoles) for report in world.control.reports) == AT_ONCE_MAX


def test_a_console_that_can_not_be_read_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()

    def refuse(_: ServerId) -> bytes:
        raise HostRefused("tail x.log", "Permission denied", errno_name="EACCES")

    monkeypatch.setattr(agent._host.hypervisor, "console", refuse)
    ask(world, server.id)
    world.run(agent, seconds=5)
    assert [fact.problem for fact in told(world)] == ["tail x.log: Permission denied (EACCES)"]


def test_while_whoever_reads_consoles_is_busy_one_is_tried_in_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    asked = []

    def refuse(server_id: ServerId) -> bytes:
        asked.append(server_id)
        raise HostRefused("ask the host helper", "no answer", transient=True, unasked=True)

    monkeypatch.setattr(agent._host.hypervisor, "console", refuse)
    others = [ServerId(f"00000000-0000-4000-8000-{number:012x}") for number in range(100, 102)]
    ask(world, server.id, *others)
    agent.step(world.now)
    assert asked == [server.id]
    world.run(agent, seconds=5)
    assert [fact.server_id for fact in told(world)] == [server.id, *others]


def test_a_deleted_servers_console_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path)
    agent, server = world.with_a_server()
    assert world.machine.hypervisor.console(server.id)
    held = server.nics[0].device
    assert held is not None
    world.control.want(releases=(held,))
    world.settle(agent)
    assert world.machine.hypervisor.console(server.id) == b""
