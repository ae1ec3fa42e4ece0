"""Linear assignment: pairs of rows and columns with the largest sum of scores; exact, for a few dozen vehicles, without scipy."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def linear_assignment(scores: "NDArray[np.float64]") -> list[tuple[int, int]]:
    """(row, column) pairs in the order of rows, each row and column at most once. Pairs with a score of 0 or less are never assigned."""
    rows, columns = (np.flatnonzero((scores > 0).any(axis=axis)) for axis in (1, 0))
    best = scores[rows].argmax(axis=1) if len(rows) else rows
    if len(set(best.tolist())) == len(rows):
        return list(zip(rows.tolist(), best.tolist(), strict=True))  # each row has its best column: no assignment has a larger sum
    positive = np.maximum(scores[np.ix_(rows, columns)], 0)
    if len(rows) > len(columns):
        chosen = [(row, column) for column, row in enumerate(_min_cost_columns(-positive.T))]
    else:
        chosen = list(enumerate(_min_cost_columns(-positive)))
    return sorted((int(rows[row]), int(columns[column])) for row, column in chosen if positive[row, column] > 0)


def _min_cost_columns(costs: "NDArray[np.float64]") -> list[int]:
    """The column of each row in the assignment of minimum cost (Hungarian method). `costs`: rows x columns, not more rows than columns."""
    rows, columns = costs.shape
    owner = np.full(columns + 1, -1)  # row assigned to each column, -1 for none; the last, virtual column holds the row to be assigned
    row_potential, column_potential = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        owner[columns] = row
        for column, before in _path_to_free_column(costs, owner, row_potential, column_potential):
            owner[column] = owner[before]
    assigned = [0] * rows
    for column in range(columns):
        if owner[column] >= 0:
            assigned[owner[column]] = column
    return assigned


def _path_to_free_column(
    costs: "NDArray[np.float64]", owner: "NDArray[np.int64]", row_potential: "NDArray[np.float64]", column_potential: "NDArray[np.float64]"
) -> list[tuple[int, int]]:
    """The shortest augmenting path for one more row, as (column, column that its new row gave up); updates the potentials."""
    columns = costs.shape[1]
    shortest = np.full(columns, np.inf)
    before = np.full(columns, columns)
    visited = np.zeros(columns + 1, dtype=bool)
    column = columns
    while owner[column] >= 0:
        visited[column] = True
        row = owner[column]
        reduced = costs[row] - row_potential[row] - column_potential[:columns]
        better = ~visited[:columns] & (reduced < shortest)
        shortest[better], before[better] = reduced[better], column
        next_column = int(np.where(visited[:columns], np.inf, shortest).argmin())
        step = shortest[next_column]
        row_potential[owner[visited]] += step
        column_potential[visited] -= step
        shortest[~visited[:columns]] -= step
        column = next_column
    path = []
    while column != columns:
        path.append((column, int(before[column])))
        column = int(before[column])
    return path
