"""Pairs of rows and columns whose gains sum up to the most; exact, for the few dozen vehicles of a picture, without scipy."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def linear_assignment(gains: "NDArray[np.float64]") -> list[tuple[int, int]]:
    """(row, column) pairs in the order of rows. A pair that gains nothing (zero or less) is never made."""
    rows, columns = (np.flatnonzero((gains > 0).any(axis=axis)) for axis in (1, 0))
    worth = np.maximum(gains[np.ix_(rows, columns)], 0)
    if len(rows) > len(columns):
        chosen = [(row, column) for column, row in enumerate(_cheapest(-worth.T))]
    else:
        chosen = list(enumerate(_cheapest(-worth)))
    return sorted((int(rows[row]), int(columns[column])) for row, column in chosen if worth[row, column] > 0)


def _cheapest(costs: "NDArray[np.float64]") -> list[int]:
    """The column of each row in the assignment of least cost (Hungarian method); no more rows than columns."""
    rows, columns = costs.shape
    owner = np.full(columns + 1, -1)  # row that has the column; the last column stands for "the row that looks for one"
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        owner[columns] = row
        for column, before in _path_to_free_column(costs, owner, row_price, column_price):
            owner[column] = owner[before]
    place = [0] * rows
    for column in range(columns):
        if owner[column] >= 0:
            place[owner[column]] = column
    return place


def _path_to_free_column(
    costs: "NDArray[np.float64]", owner: "NDArray[np.int64]", row_price: "NDArray[np.float64]", column_price: "NDArray[np.float64]"
) -> list[tuple[int, int]]:
    """The cheapest way to give one more row a column, as (column, column that its new row gives up for it); adapts the prices."""
    columns = costs.shape[1]
    least = np.full(columns, np.inf)
    before = np.full(columns, columns)
    seen = np.zeros(columns + 1, dtype=bool)
    column = columns
    while owner[column] >= 0:
        seen[column] = True
        row = owner[column]
        reduced = costs[row] - row_price[row] - column_price[:columns]
        better = ~seen[:columns] & (reduced < least)
        least[better], before[better] = reduced[better], column
        nearest = int(np.where(seen[:columns], np.inf, least).argmin())
        step = least[nearest]
        row_price[owner[seen]] += step
        column_price[seen] -= step
        least[~seen[:columns]] -= step
        column = nearest
    path = []
    while column != columns:
        path.append((column, int(before[column])))
        column = int(before[column])
    return path
