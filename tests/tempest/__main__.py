"""``python -m tests.tempest``: the tests of tempest that apply, against `trunkline up`.

Without names all are run, and results.txt and docs/tempest.md are written anew: their diff is what
has changed. Ends with 1 if a test does not pass that did before, or that is new.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.tempest import page
from tests.tempest.cloud import a_cloud
from tests.tempest.results import Result, judge, passed_of, read_results, write_results
from tests.tempest.rules import Rules, load_rules
from tests.tempest.suite import Outcome, Suite

WORKERS = 4  # They wait for half of the time.


def main() -> int:
    """Run what is asked for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.tempest", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a package, module, class or test; all if none"
    )
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"default: {WORKERS}")
    parser.add_argument("--told", type=Path, metavar="FILE", help="write what tests said here")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="have the cloud here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory: Path = asked.keep or Path(temporary)
        directory.mkdir(exist_ok=True)
        rules = load_rules()
        with a_cloud(directory) as config:
            suite = Suite(config, directory)
            tests = suite.list_tests(rules.trees)
            if stale := rules.stale(tests):
                _say("Nothing is excluded by these any more:", *sorted(stale))
                return 1
            chosen = [test for test in tests if is_named(test, asked.names)]
            to_run = [test for test in chosen if rules.rule_for(test) is None]
            _say(f"{len(chosen)} tests, of which {len(to_run)} are run.")
            outcomes = suite.run(to_run, workers=asked.workers, told=_progress(len(to_run)))
    results = judge(chosen, outcomes, rules)
    _report(results, outcomes, asked.told)
    if not asked.names:
        return _keep(results, rules)
    passed, run = passed_of(results)
    return int(passed != run)


def is_named(test: str, names: list[str]) -> bool:
    """Say whether a test is below one of these names; all are below none."""
    return not names or any(f"{test}.".startswith(f"{name}.") for name in names)


def _progress(count: int) -> Callable[[str, int], None]:
    begun, done = time.monotonic(), 0

    def told(cls: str, tests: int) -> None:
        nonlocal done
        done += tests
        _say(f"{time.monotonic() - begun:6.0f} s  {done:4} of {count}  {cls}")

    return told


def _report(
    results: Mapping[str, Result], outcomes: Mapping[str, Outcome], told: Path | None
) -> None:
    open_ones = [test for test, got in results.items() if got.kind in ("failed", "skipped")]
    text = "\n".join(
        f"=== {test}\n{outcomes[test].kind}: {outcomes[test].said}\n" for test in open_ones
    )
    if told:
        told.write_text(text)
    else:
        _say(text)
    passed, run = passed_of(results)
    _say(f"{passed} of {run} passed, {len(results) - run} are excluded.")


def _keep(results: Mapping[str, Result], rules: Rules) -> int:
    before = read_results()
    write_results(results)
    page.main()
    worse = [
        test
        for test, result in results.items()
        if result.kind in ("failed", "skipped")
        and before.get(test, Result("passed")).kind in ("passed", "excluded")
    ]
    if worse:
        _say("These do not pass any more, or are new and don't:", *worse)
    return int(bool(worse))


def _say(*lines: str) -> None:
    sys.stdout.write("\n  ".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
