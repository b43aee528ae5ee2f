"""Where one looks and where one judges: walk-forward windows, with the border between them cut out."""

from dataclasses import dataclass
from itertools import pairwise

from aster_operator.backtest.problems import BacktestProblem

__all__ = ["WalkForwardWindow", "equal_blocks", "walk_forward_windows"]


@dataclass(frozen=True)
class WalkForwardWindow:
    """Half-open ranges of bars: choose on `train`, judge on `test`."""

    train_first: int
    train_last: int
    test_first: int
    test_last: int


def walk_forward_windows(
    bar_count: int, folds: int, *, anchored: bool, purge_bars: int = 0, embargo_bars: int = 0
) -> tuple[WalkForwardWindow, ...]:
    """`folds` test windows that cover the later bars without a gap, each after its training window.

    The history is cut into `folds + 1` equal parts; the first only trains. Anchored training begins at the
    first bar, rolling training has the length of one part. `purge_bars` are dropped from the end of each
    training window, since a trade begun there may end in the test; `embargo_bars` from the beginning of each
    test window, since what has just happened still echoes (López de Prado, Advances in Financial Machine
    Learning, ch. 7). Raises BacktestProblem when a window would be left without bars.
    """
    if folds < 1:
        raise BacktestProblem(f"walk-forward needs at least one fold, got {folds}")
    if purge_bars < 0 or embargo_bars < 0:
        raise BacktestProblem("purge and embargo are counted in bars and cannot be negative")
    borders = [bar_count * part // (folds + 1) for part in range(folds + 2)]
    windows = []
    for fold in range(1, folds + 1):
        window = WalkForwardWindow(
            train_first=0 if anchored else borders[fold - 1],
            train_last=borders[fold] - purge_bars,
            test_first=borders[fold] + embargo_bars,
            test_last=borders[fold + 1],
        )
        if window.train_last <= window.train_first or window.test_last <= window.test_first:
            raise BacktestProblem(
                f"{bar_count} bars are too few for {folds} folds with a purge of {purge_bars} and an "
                f"embargo of {embargo_bars} bars"
            )
        windows.append(window)
    return tuple(windows)


def equal_blocks(length: int, blocks: int) -> tuple[tuple[int, int], ...]:
    """`blocks` half-open ranges that cover `length` rows, their sizes equal but for one row.

    Raises BacktestProblem when there are fewer rows than blocks.
    """
    if blocks < 1 or length < blocks:
        raise BacktestProblem(f"{length} rows cannot be cut into {blocks} blocks")
    borders = [length * block // blocks for block in range(blocks + 1)]
    return tuple(pairwise(borders))
