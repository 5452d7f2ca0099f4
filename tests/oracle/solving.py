"""What the oracles that ask CP-SAT for the most of something share."""

from __future__ import annotations

from collections.abc import Sequence

from ortools.sat.python import cp_model


def most_there(model: cp_model.CpModel, there: Sequence[cp_model.IntVar]) -> int:
    """The most of these that can be true together; proven."""
    model.maximize(sum(there))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    assert status == cp_model.OPTIMAL, solver.status_name(status)
    return round(solver.objective_value)
