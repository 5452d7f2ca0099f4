"""Tests of tempest in processes of its own environment, each fed one class after another."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.environments import ensure_environment
from tests.support.patience import HANGS_SECONDS

ENVIRONMENT = "tempest-run"
INSIDE = Path(__file__).with_name("inside.py")
TEST_SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test: passed, failed or skipped, and what was said about it."""

    kind: str
    said: str = ""


def class_of(test: str) -> str:
    """Return the name of the class that a test is in."""
    return test.rpartition(".")[0]


class Suite:
    """The suites, as a tempest.conf has them."""

    def __init__(self, config: Path, log: Path) -> None:
        """Take the folder of tempest.conf, and where workers may write what they like."""
        self._log = log
        self._python = ensure_environment(ENVIRONMENT) / "python"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "PYTHON", "VIRTUAL_ENV", "TEMPEST"))
        }
        self._environment = kept | {
            "TEMPEST_CONFIG_DIR": str(config),
            "OS_TEST_TIMEOUT": str(TEST_SECONDS_MAX),
            "HOME": str(config),
        }

    def list_tests(self, trees: Sequence[str]) -> list[str]:
        """Return the name of every test."""
        done = subprocess.run(
            [str(self._python), str(INSIDE), "list", *trees], env=self._environment, text=True,
            capture_output=True, timeout=HANGS_SECONDS, cwd=self._log,
        )  # fmt: skip
        assert done.returncode == 0, f"tempest's tests can't be listed:\n{done.stderr}"
        return done.stdout.split()

    def run(
        self,
        tests: Iterable[str],
        *,
        workers: int,
        told: Callable[[str, int], None] = lambda _cls, _tests: None,
    ) -> Mapping[str, Outcome]:
        """Return what became of each test; `told` hears of each class done, and its size."""
        by_class: dict[str, list[str]] = {}
        for test in tests:
            by_class.setdefault(class_of(test), []).append(test)
        # The largest first, so that none is left alone at the end.
        waiting: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        for group in sorted(by_class.values(), key=len, reverse=True):
            waiting.put(group)
        outcomes: dict[str, Outcome] = {}
        threads = [
            threading.Thread(target=self._work, args=(number, waiting, outcomes, told))
            for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = Outcome("failed", "the worker ended before")
        return {test: outcomes.get(test, lost) for group in by_class.values() for test in group}

    def _work(
        self,
        number: int,
        waiting: queue.SimpleQueue[list[str]],
        outcomes: dict[str, Outcome],
        told: Callable[[str, int], None],
    ) -> None:
        """Keep one process busy until no class is left."""
        with (self._log / f"worker-{number}.log").open("w") as log:
            process = subprocess.Popen(
                [str(self._python), str(INSIDE), "run"], env=self._environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=self._log,
            )  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            with process:
                while not waiting.empty():
                    try:
                        tests = waiting.get_nowait()
                    except queue.Empty:
                        break
                    process.stdin.write(json.dumps(tests) + "\n")
                    process.stdin.flush()
                    if not (answer := process.stdout.readline()):
                        break
                    outcomes.update(_outcomes(tests, json.loads(answer)))
                    told(class_of(tests[0]), len(tests))
                process.stdin.close()


def _outcomes(tests: Collection[str], got: Mapping[str, tuple[str, str]]) -> dict[str, Outcome]:
    """Give each test its outcome: that of its class where the class did not begin.

    What a class says when it does not end well is told of its last test.
    """
    cls = class_of(next(iter(tests)))
    not_run = ("failed", "it was not run")
    outcomes = {test: Outcome(*got.get(cls, got.get(test, not_run))) for test in tests}
    if ended := got.get(f"{cls}.tearDownClass"):
        outcomes[max(tests)] = Outcome("failed", f"the class did not end well:\n{ended[1]}")
    return outcomes
