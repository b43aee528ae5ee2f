"""Points of each day in the books: estimated under the profile that is set, nothing without one."""

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from aster_operator.database.models import DailyStats
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.execution.core import TradingCore
from aster_operator.rewards.profile import load_profile
from aster_operator.runtime.daily_points import daily_points
from aster_operator.runtime.session_books import DatabaseBooks
from runtime.sessions import ACCOUNT, open_bench


@pytest.mark.parametrize(("profile", "estimated"), [("none", False), ("dawn-crystal", True)])
async def test_a_day_with_trades_has_the_points_of_its_profile(
    tmp_path: Path, profile: str, estimated: bool
) -> None:
    engine = open_books(f"sqlite:///{tmp_path / 'books.db'}")
    recorder = TradeRecorder(engine, LedgerKey(venue="sim", account=ACCOUNT), "points")
    points = daily_points(engine, recorder, load_profile(profile))
    assert (points is not None) is estimated

    def books_of(core: TradingCore) -> DatabaseBooks:
        return DatabaseBooks(recorder, core.state.tracker, points=points)

    bench = await open_bench(hold_minutes=15, keep_in=books_of)
    await bench.run_minutes(40)
    seen: list[Decimal | None] = []
    for _ in range(2):
        if points is not None:
            points.finish(bench.stepper.now_ms)
        with engine.connect() as connection:
            seen.append(connection.execute(select(DailyStats.rh_points_estimated)).scalar_one())
        await bench.run_minutes(20)
    if not estimated:
        assert seen == [None, None]
    else:
        assert seen[0] is not None
        assert seen[1] is not None
        assert 0 < seen[0] < seen[1], "more is traded and held, more is earned"
