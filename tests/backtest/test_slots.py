"""The numbering of distinct exits sorts as NumPy does."""

import numpy as np
import pytest

from aster_operator.backtest.kernels.slots import equal_rows, hash_rows, order_by_bar


@pytest.mark.parametrize("known", [0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 1_000, 4_097])
@pytest.mark.parametrize("distinct", [1, 7, 10_000])
def test_exits_are_ordered_by_bar_and_equal_ones_stay_as_found(known: int, distinct: int) -> None:
    bars = np.random.default_rng(known).integers(0, distinct, known + 3).astype(np.int32)
    np.testing.assert_array_equal(order_by_bar(bars, known), np.argsort(bars[:known], kind="stable"))


def test_rows_are_one_class_only_if_they_are_equal_whatever_their_hashes_say() -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 2, (40, 4)).astype(np.int32)
    hashes = np.zeros(40, dtype=np.uint64)
    hash_rows(0, 40, rows, hashes)
    for row in range(40):
        assert ((rows == rows[row]).all(axis=1) == (hashes == hashes[row])).all()
    classes = np.empty(40, dtype=np.int32)
    equal_rows(rows, np.zeros(40, dtype=np.int32), classes)  # as if all hashes collided
    equal = (rows == rows[0]).all(axis=1)
    assert 1 < equal.sum() < 40
    np.testing.assert_array_equal(classes, np.where(equal, 0, np.arange(40)))
