"""Bring the tables of docs/tempest.md up to date, from the results that are kept."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path

from tests.support.environments import REPOSITORY
from tests.tempest.results import Result, passed_of, read_results
from tests.tempest.rules import Rules, load_rules
from tests.tempest.suite import class_of

TARGET = REPOSITORY / "docs/tempest.md"
WHYS = Path(__file__).with_name("failing.toml")

Results = Mapping[str, Result]


def score(results: Results, rules: Rules) -> Iterable[str]:
    """A row for each tree of tests, and one for all."""
    yield "| tests | listed | excluded | run | passed | |"
    yield "|---|---:|---:|---:|---:|---:|"
    for tree in rules.trees:
        yield _score_row(f"`{tree}`", _below(tree, results))
    yield _score_row("all", results)


def reasons(results: Results, rules: Rules) -> Iterable[str]:
    """The closed list, with how many tests each reason excludes."""
    counts = Counter(result.reason for result in results.values() if result.reason)
    yield "| reason | tests | |"
    yield "|---|---:|---|"
    for reason, sentence in rules.reasons.items():
        yield f"| {reason} | {counts[reason]} | {sentence} |"


def open_ones(results: Results, _rules: Rules) -> Iterable[str]:
    """Each test that is run and does not pass, by why, below its class."""
    left = failing_of(results)
    for why, beginnings in [*load_whys(), ("Why is not known yet.", ("",))]:
        meant = [test for test in left if test.startswith(beginnings)]
        left = [test for test in left if test not in meant]
        if meant:
            yield f"* {why}"
        for cls, tests in groupby(meant, class_of):
            named = ", ".join(f"`{test.rpartition('.')[2]}`" for test in tests)
            yield f"  * `{cls}`: {named}"


def failing_of(results: Results) -> list[str]:
    """Return the tests that are run and do not pass."""
    return [test for test in sorted(results) if results[test].kind in ("failed", "skipped")]


def load_whys() -> list[tuple[str, tuple[str, ...]]]:
    """Read why tests do not pass: each with what begins the names of those that it is about."""
    whys = tomllib.loads(WHYS.read_text())["failing"]
    return [(each["why"], tuple(each["tests"])) for each in whys]


def classes(results: Results, _rules: Rules) -> Iterable[str]:
    """A row for each class."""
    yield "| class | run | passed | excluded |"
    yield "|---|---:|---:|---|"
    for cls, tests in groupby(sorted(results), class_of):
        of_class = {test: results[test] for test in tests}
        passed, run = passed_of(of_class)
        excluded = Counter(result.reason for result in of_class.values() if result.reason)
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items()))
        yield f"| `{cls}` | {run} | {passed} | {told} |"


PARTS: Mapping[str, Callable[[Results, Rules], Iterable[str]]] = {
    "score": score,
    "reasons": reasons,
    "open": open_ones,
    "classes": classes,
}


def render(page: str, results: Results, rules: Rules) -> str:
    """Return the page with each part renewed between its two marks."""
    return re.sub(
        r"(<!-- ([a-z]+) -->\n).*?(<!-- end -->)",
        lambda marks: "\n".join([
            marks[1].rstrip("\n"), *PARTS[marks[2]](results, rules), marks[3],
        ]),
        page,
        flags=re.DOTALL,
    )  # fmt: skip


def _below(tree: str, results: Results) -> Results:
    return {test: result for test, result in results.items() if test.startswith(f"{tree}.")}


def _score_row(name: str, results: Results) -> str:
    passed, run = passed_of(results)
    share = f"{100 * passed / run:.1f} %" if run else ""
    return f"| {name} | {len(results)} | {len(results) - run} | {run} | {passed} | {share} |"


def main() -> None:
    """Rewrite the page."""
    TARGET.write_text(render(TARGET.read_text(), read_results(), load_rules()))


if __name__ == "__main__":
    main()
