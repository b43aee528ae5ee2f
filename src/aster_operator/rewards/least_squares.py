"""Non-negative least squares after Lawson and Hanson, in exact rational arithmetic.

min |A x - b|, x >= 0, for a few columns. Exactness makes it short: no tolerance decides what is zero, a
column that enters is independent of those that are in, and the loop ends because the error falls with every
turn.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

__all__ = ["independent_columns", "solve_nnls"]

_Vector = list[Fraction]


def solve_nnls(rows: Sequence[Sequence[Decimal]], totals: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """The non-negative weights with the least sum of squared errors, one for each column of `rows`.

    Raises ValueError when the rows differ in length, are none, or do not match `totals`.
    """
    if not rows or len(rows) != len(totals) or len({len(row) for row in rows}) != 1:
        raise ValueError("rows must be equally long and as many as totals, at least one")
    columns = [[Fraction(row[number]) for row in rows] for number in range(len(rows[0]))]
    goal = [Fraction(total) for total in totals]
    gram = [[_dot(one, other) for other in columns] for one in columns]
    moments = [_dot(column, goal) for column in columns]
    return tuple(_as_decimal(value) for value in _lawson_hanson(gram, moments))


def independent_columns(rows: Sequence[Sequence[Decimal]]) -> int:
    """Number of independent columns; below their count, several sets of weights fit equally well."""
    remaining = [[Fraction(value) for value in row] for row in rows]
    rank = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in remaining if row[column]), None)
        if pivot is None:
            continue
        rank += 1
        remaining = [_without(row, pivot, column) for row in remaining if row is not pivot]
    return rank


def _lawson_hanson(gram: list[_Vector], moments: _Vector) -> _Vector:
    size = len(moments)
    solution = [Fraction(0)] * size
    passive: list[int] = []
    while True:
        slopes = [moments[row] - _dot(gram[row], solution) for row in range(size)]
        entering = max(
            (column for column in range(size) if column not in passive and slopes[column] > 0),
            key=lambda column: slopes[column],
            default=None,
        )
        if entering is None:
            return solution
        passive.append(entering)
        solution = _step(gram, moments, solution, passive)


def _step(gram: list[_Vector], moments: _Vector, solution: _Vector, passive: list[int]) -> _Vector:
    """Solve for the columns in `passive`; those that would turn negative leave it."""
    while True:
        wanted = [Fraction(0)] * len(solution)
        inner = [[gram[row][column] for column in passive] for row in passive]
        for column, value in zip(passive, _solve(inner, [moments[row] for row in passive]), strict=True):
            wanted[column] = value
        blocking = [column for column in passive if wanted[column] <= 0]
        if not blocking:
            return wanted
        part = min(solution[column] / (solution[column] - wanted[column]) for column in blocking)
        solution = [now + part * (then - now) for now, then in zip(solution, wanted, strict=True)]
        passive[:] = [column for column in passive if solution[column] > 0]


def _solve(matrix: list[_Vector], right: _Vector) -> _Vector:
    """Gauss-Jordan for a positive definite matrix."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(len(rows)):
        pivot = next(row for row in rows[column:] if row[column])
        rows.remove(pivot)
        rows = [_without(row, pivot, column) for row in rows]
        rows.insert(column, [value / pivot[column] for value in pivot])
    return [row[-1] for row in rows]


def _without(row: _Vector, pivot: _Vector, column: int) -> _Vector:
    """`row` minus the multiple of `pivot` that makes `column` zero."""
    factor = row[column] / pivot[column]
    return [value - factor * other for value, other in zip(row, pivot, strict=True)]


def _dot(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    return sum((left * right for left, right in zip(one, other, strict=True)), Fraction(0))


def _as_decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
