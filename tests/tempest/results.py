"""What became of each test: kept in results.txt, from which docs/tempest.md is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.tempest.rules import Rules
from tests.tempest.suite import Outcome, class_of

RESULTS = Path(__file__).with_name("results.txt")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test: passed, failed, skipped, or excluded for a reason."""

    kind: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.reason}" if self.reason else self.kind


def judge(tests: Iterable[str], outcomes: Mapping[str, Outcome], rules: Rules) -> dict[str, Result]:
    """Return the result of each test.

    A skip in words that stand for a reason is an exclusion like any other.
    """
    results = {}
    for test in tests:
        if rule := rules.rule_for(test):
            results[test] = Result("excluded", rules.excluded[rule])
            continue
        outcome = outcomes[test]
        results[test] = Result(outcome.kind)
        if outcome.kind == "skipped" and (reason := rules.reason_to_skip(outcome.said)):
            results[test] = Result("excluded", reason)
    return results


def passed_of(results: Mapping[str, Result]) -> tuple[int, int]:
    """Return how many tests passed, and of how many that are not excluded."""
    kinds = [result.kind for result in results.values() if result.kind != "excluded"]
    return kinds.count("passed"), len(kinds)


def write_results(results: Mapping[str, Result], file: Path = RESULTS) -> None:
    """Write a line for each class, and below it one for each test."""
    lines = []
    for cls, tests in groupby(sorted(results), class_of):
        lines.append(cls)
        lines += [f"  {test.rpartition('.')[2]} {results[test]}" for test in tests]
    file.write_text("\n".join(lines) + "\n")


def read_results(file: Path = RESULTS) -> dict[str, Result]:
    """Read what `write_results` wrote; nothing if there is no file yet."""
    results = {}
    cls = ""
    for line in file.read_text().splitlines() if file.exists() else ():
        if not line.startswith(" "):
            cls = line
            continue
        test, said = line.split()
        kind, _, reason = said.partition(":")
        results[f"{cls}.{test}"] = Result(kind, reason)
    return results
