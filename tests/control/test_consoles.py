"""Consoles: asked of the host, answered with a report, shown to the project's own members alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.control.scene import Scene, on
from tests.support.clock import ManualClock
from tests.support.world import ADMIN, DEMO, OTHER, a_caller
from trunkline.control import purging
from trunkline.control.consoles import AskedConsole, ask_console, find_console
from trunkline.control.desired import desired_config, desired_if_newer
from trunkline.control.purging import purge
from trunkline.control.views import ServerView
from trunkline.domain.console import CONSOLE_BYTES_MAX, ConsoleAsk, ConsoleFact
from trunkline.domain.errors import Forbidden, NotFound, StateConflict
from trunkline.domain.host import Host
from trunkline.domain.identity import READER
from trunkline.domain.ids import HostName, ServerId
from trunkline.reconcile.desired import HostConfig


def config_of(scene: Scene, view: ServerView) -> HostConfig:
    assert view.host is not None
    return desired_config(scene.svc, view.host.name)


def host_of(view: ServerView) -> Host:
    assert view.host is not None
    return view.host


def ask(scene: Scene, view: ServerView) -> AskedConsole:
    return ask_console(scene.svc, DEMO, view.server.id)


def answer(scene: Scene, asked: AskedConsole, said: bytes = b"", *, problem: str = "") -> None:
    fact = ConsoleFact(server_id=asked.server_id, number=asked.number, said=said, problem=problem)
    scene.agents[asked.host_name].report(consoles=[fact])


def test_an_ask_reaches_the_host_and_the_answer_the_one_who_asked(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    before = config_of(scene, view)
    woken: list[HostName] = []
    scene.svc = replace(scene.svc, wake_host=woken.append)
    asked = ask(scene, view)
    assert woken == [asked.host_name]
    assert find_console(scene.svc, asked) is None
    config = config_of(scene, view)
    assert config.consoles == (ConsoleAsk(server_id=view.server.id, number=asked.number),)
    assert config.generation == before.generation, "no decision about the host depends on it"
    answer(scene, asked, b"hello\xff")
    assert find_console(scene.svc, asked) == b"hello\xff"
    assert config_of(scene, view).consoles == ()


def test_a_host_is_told_of_an_ask_once(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    name, before = host_of(view).name, config_of(scene, view)

    def news(consoles_asked: int | None) -> HostConfig | None:
        return desired_if_newer(
            scene.svc, name, generation=before.generation, consoles_asked=consoles_asked
        )

    assert news(0) is None
    asked = ask(scene, view)
    assert news(0) == config_of(scene, view)
    assert news(asked.number) is None
    assert news(None) is None, "an agent that does not ask for it is not kept busy by it"
    assert ask(scene, view).number == asked.number + 1
    assert news(asked.number) is not None


def test_an_answer_counts_for_those_who_asked_before_it(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    first, second = ask(scene, view), ask(scene, view)
    answer(scene, first, b"early")
    assert find_console(scene.svc, first) == b"early"
    assert find_console(scene.svc, second) is None, "it was asked for after this was read"
    answer(scene, second, b"late")
    answer(scene, first, b"early")
    assert find_console(scene.svc, second) == b"late", "an older answer replaces no newer one"
    assert find_console(scene.svc, first) == b"late"


def test_an_answer_that_was_not_asked_for_is_not_kept(scene: Scene) -> None:
    view, other = scene.boot(on(scene.blue)), scene.boot(on(scene.blue), name="other")
    asked = ask(scene, view)
    wrong_host = next(name for name in scene.agents if name != asked.host_name)
    fact = ConsoleFact(server_id=view.server.id, number=asked.number, said=b"forged")
    scene.agents[wrong_host].report(consoles=[fact])
    scene.agents[asked.host_name].report(
        consoles=[replace(fact, server_id=other.server.id), replace(fact, number=99)]
    )
    assert find_console(scene.svc, asked) is None


def test_whoever_may_not_see_the_server_or_only_reads_gets_nothing(scene: Scene) -> None:
    server_id = scene.boot(on(scene.blue)).server.id
    with pytest.raises(NotFound):
        ask_console(scene.svc, OTHER, server_id)
    with pytest.raises(Forbidden):
        ask_console(scene.svc, a_caller("demo", READER), server_id)
    ask_console(scene.svc, ADMIN, server_id)


def test_why_a_console_can_not_be_had_is_told(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    asked = ask(scene, view)
    answer(scene, asked, problem="tail /somewhere: Permission denied")
    with pytest.raises(StateConflict, match="can't read") as refused:
        find_console(scene.svc, asked)
    assert "somewhere" not in str(refused.value), "paths of hosts are not for tenants"
    clock = scene.svc.clock
    assert isinstance(clock, ManualClock)
    clock.advance(scene.svc.limits.host_silent_seconds_max + 1)
    with pytest.raises(StateConflict, match="host is down"):
        ask(scene, view)


def test_a_server_without_a_host_has_no_console(scene: Scene) -> None:
    nowhere = scene.boot(*[on(scene.blue)] * 9)
    with pytest.raises(StateConflict, match="on no host"):
        ask(scene, nowhere)


def test_who_waits_for_a_server_that_is_deleted_is_told(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    asked = ask(scene, view)
    scene.delete(view.server.id)
    with pytest.raises(NotFound):
        find_console(scene.svc, asked)


def test_what_was_said_is_forgotten_soon(scene: Scene) -> None:
    view = scene.boot(on(scene.blue))
    asked = ask(scene, view)
    answer(scene, asked, b"x" * CONSOLE_BYTES_MAX)
    clock = scene.svc.clock
    assert isinstance(clock, ManualClock)
    purged = purge(scene.svc, holder="me")
    assert purged is not None
    assert purged["consoles"] == 0
    clock.advance((purging.CONSOLES_KEPT + timedelta(seconds=1)).total_seconds())
    purged = purge(scene.svc, holder="me")
    assert purged is not None
    assert purged["consoles"] == 1
    with pytest.raises(StateConflict, match="ask again"):
        find_console(scene.svc, asked)


def test_no_agent_can_hand_over_more_than_is_kept() -> None:
    with pytest.raises(ValueError, match="at most"):
        ConsoleFact(server_id=ServerId("x"), number=1, said=b"x" * (CONSOLE_BYTES_MAX + 1))
