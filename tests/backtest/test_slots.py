"""The numbering of distinct exits sorts as NumPy does."""

import numpy as np
import pytest

from aster_operator.backtest.kernels.slots import order_by_bar


@pytest.mark.parametrize("known", [0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 1_000, 4_097])
@pytest.mark.parametrize("distinct", [1, 7, 10_000])
def test_exits_are_ordered_by_bar_and_equal_ones_stay_as_found(known: int, distinct: int) -> None:
    bars = np.random.default_rng(known).integers(0, distinct, known + 3).astype(np.int32)
    np.testing.assert_array_equal(order_by_bar(bars, known), np.argsort(bars[:known], kind="stable"))
