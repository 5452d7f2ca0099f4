"""List or run tests of tempest. Runs in tempest's environment, not in the project's.

    inside.py list TREE…   prints the name of every test, one a line
    inside.py run          reads what to run from stdin, a line of JSON for each class: names of
                           tests; answers each line with one: {test: [outcome, what was said], …}

TEMPEST_CONFIG_DIR says where tempest.conf is. A test's name has no tags (`[id-…,smoke]`).
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import traceback
import unittest
from collections.abc import Iterator
from typing import Any, TextIO

SAID_CHARACTERS_MAX = 6000


def name_of(test: unittest.TestCase) -> str:
    return test.id().partition("[")[0]


def tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def list_tests(trees: list[str]) -> list[str]:
    names = set()
    for tree in trees:
        package = importlib.import_module(tree)
        for info in pkgutil.walk_packages(package.__path__, f"{tree}."):
            if info.name.rpartition(".")[2].startswith("test_"):
                module = importlib.import_module(info.name)
                suite = unittest.defaultTestLoader.loadTestsFromModule(module)
                names |= {name_of(test) for test in tests_in(suite)}
    return sorted(names)


class Outcomes(unittest.TestResult):
    """What became of each test; of a class that did not begin, under the class's name."""

    def __init__(self) -> None:
        super().__init__()
        self.by_test: dict[str, tuple[str, str]] = {}

    def note(self, test: Any, outcome: str, said: str = "") -> None:
        name = name_of(test)
        if name.startswith(("setUpClass (", "tearDownClass (")):
            where, _, cls = name.rstrip(")").partition(" (")
            name = cls if where == "setUpClass" else f"{cls}.tearDownClass"
        if outcome == "failed" or name not in self.by_test:
            self.by_test[name] = (outcome, said)

    def addSuccess(self, test: Any, details: Any = None) -> None:  # noqa: N802
        self.note(test, "passed")

    def addSkip(self, test: Any, reason: str = "", details: Any = None) -> None:  # noqa: N802
        if details and not reason:
            reason = details["reason"].as_text()
        self.note(test, "skipped", reason)

    def addFailure(self, test: Any, err: Any = None, details: Any = None) -> None:  # noqa: N802
        self.note(test, "failed", _told(err, details))

    addError = addFailure  # noqa: N815

    def addExpectedFailure(self, test: Any, err: Any = None, details: Any = None) -> None:  # noqa: N802
        self.note(test, "failed", "expected to fail")

    def addUnexpectedSuccess(self, test: Any, details: Any = None) -> None:  # noqa: N802
        self.note(test, "failed", "not expected to pass")


def _told(err: Any, details: Any) -> str:
    if err is not None:
        said = "".join(traceback.format_exception(*err))
    else:
        said = "\n".join(
            content.as_text() for key, content in details.items() if "traceback" in key
        )
    return said[-SAID_CHARACTERS_MAX:]


def run_tests(names: set[str]) -> dict[str, tuple[str, str]]:
    """Run tests of one class."""
    module, _, cls = next(iter(names)).rpartition(".")[0].rpartition(".")
    loaded = getattr(importlib.import_module(module), cls)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(loaded)
    result = Outcomes()
    unittest.TestSuite(test for test in tests_in(suite) if name_of(test) in names).run(result)
    return result.by_test


def run(answers: TextIO) -> None:
    for line in sys.stdin:
        json.dump(run_tests(set(json.loads(line))), answers)
        answers.write("\n")
        answers.flush()


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # Tests may print.
    if sys.argv[1] == "list":
        print(*list_tests(sys.argv[2:]), sep="\n", file=answers)
    else:
        run(answers)


if __name__ == "__main__":
    main()
