"""What tests ask for inside the lab host comes back whole: output, status, results, failures."""

from __future__ import annotations

import errno
import re
import signal

import pytest

from lab import tsc
from lab.channel import CommandFailed, RaisedInside, TooSlow
from lab.guest import cards
from lab.machine import LabHost


def test_a_program_is_run_and_its_output_comes_back(running_lab_host: LabHost) -> None:
    shell = ["sh", "-c", "cat; echo ü >&2; exit 3"]
    done = running_lab_host.channel.start(shell, given="one\ntwo\n").wait()
    assert (done.status, done.stdout, done.stderr) == (3, "one\ntwo\n", "ü\n")


def test_much_output_comes_back_whole(running_lab_host: LabHost) -> None:
    assert running_lab_host.channel.run("seq", "100000").split() == [
        str(n) for n in range(1, 100_001)
    ]


def test_a_python_program_is_run_and_its_status_comes_back(running_lab_host: LabHost) -> None:
    start = running_lab_host.channel.start_python
    done = start("trunkline", "--version").wait()
    assert (done.status, done.stdout.startswith("trunkline, version ")) == (0, True)
    done = start("trunkline", "no-such-command").wait()
    assert (done.status, "No such command" in done.stderr) == (2, True)


def test_a_status_other_than_0_is_an_exception_with_what_was_said(
    running_lab_host: LabHost,
) -> None:
    with pytest.raises(CommandFailed, match="no-such-file"):
        running_lab_host.channel.run("cat", "/no-such-file")


def test_a_function_returns_and_raises_as_here(running_lab_host: LabHost) -> None:
    call = running_lab_host.channel.call
    assert call(cards.read, "/proc/sys/kernel/hostname") == "labhost"
    with pytest.raises(RaisedInside, match="in read") as raised:
        call(cards.read, "/no-such-file")
    assert (raised.value.kind, raised.value.errno) == ("FileNotFoundError", errno.ENOENT)


def test_a_program_goes_on_until_it_is_told(running_lab_host: LabHost) -> None:
    running = running_lab_host.channel.start(["sh", "-c", "echo ready; exec tail -f /dev/null"])
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.wait().status == -signal.SIGTERM


def test_what_takes_too_long_is_killed_with_its_children(running_lab_host: LabHost) -> None:
    running = running_lab_host.channel.start(["sh", "-c", "tail -f /dev/zero & echo ready; wait"])
    running.wait_for("ready")
    with pytest.raises(TooSlow, match="ready"):
        running.wait(0.1)
    running_lab_host.reset(vf_count=0)
    assert "tail" not in running_lab_host.channel.run("ps", "ax", "-o", "comm")


def test_nothing_leads_out_of_the_lab_but_to_the_machine_it_runs_on(
    running_lab_host: LabHost,
) -> None:
    routes = running_lab_host.channel.run("ip", "route")
    assert [line.split()[0] for line in routes.splitlines()] == ["10.0.2.0/24"]


def test_its_clock_runs_as_fast_as_ours(running_lab_host: LabHost) -> None:
    said = running_lab_host.channel.run("dmesg")
    *_, mhz = re.findall(r"tsc: Detected ([\d.]+) MHz", said)
    assert 1000 * float(mhz) == pytest.approx(tsc.khz(), rel=1e-3)
