"""The two examples from the README of the first source system run as they are written there."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from books_values import BOOK, make_fill

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books

TODAYS_VOLUME = """
from aster_operator.database.db import get_db
from aster_operator.database.models import Trade, Position

with get_db() as db:
    # Total volume today
    trades_today = db.query(Trade).filter(
        Trade.timestamp >= datetime.today()
    ).all()

    volume = sum(t.notional for t in trades_today)
    print(f"Today's volume: ${volume:,.2f}")
"""

EXPORT = """
import pandas as pd

with get_db() as db:
    trades = db.query(Trade).all()
    df = pd.DataFrame([{
        'timestamp': t.timestamp,
        'symbol': t.symbol,
        'side': t.side,
        'price': t.price,
        'quantity': t.quantity,
        'pnl': t.realized_pnl
    } for t in trades])

    df.to_csv('trading_history.csv')
"""


@pytest.fixture
def enter_trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put trades into the default books of an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for key in ("DB_PATH", "DATABASE_URL"):
        monkeypatch.delenv(key, raising=False)

    def enter(*times: datetime) -> None:
        engine = open_books("sqlite:///aster-operator.db")
        stamps = [int((time - datetime(1970, 1, 1)).total_seconds() * 1000) for time in times]  # noqa: DTZ001
        TradeRecorder(engine, BOOK, "r").record_fills(
            [make_fill(number, event_ms=stamp) for number, stamp in enumerate(stamps)]
        )
        engine.dispose()

    return enter


def test_todays_volume(enter_trades: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    # As written, the filter takes what is later than this moment: only the trades ahead of it count.
    now = datetime.today()  # noqa: DTZ002 - as the example does
    enter_trades(now + timedelta(days=1), now + timedelta(days=2), now - timedelta(days=2))
    exec(TODAYS_VOLUME, {"datetime": datetime})  # noqa: S102 - the example itself
    assert capsys.readouterr().out == "Today's volume: $407.34\n"


def test_todays_volume_without_any_trade(
    enter_trades: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(TODAYS_VOLUME, {"datetime": datetime})  # noqa: S102 - the example itself
    assert capsys.readouterr().out == "Today's volume: $0.00\n"


def test_export_to_a_data_frame_and_csv(enter_trades: Callable[..., None], tmp_path: Path) -> None:
    enter_trades(datetime(2026, 2, 20, 10, 30), datetime(2026, 2, 20, 10, 31, 0, 5000))  # noqa: DTZ001
    names: dict[str, object] = {"datetime": datetime}
    exec(TODAYS_VOLUME.split("with get_db")[0] + EXPORT, names)  # noqa: S102 - the example itself
    frame = names["df"]
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["timestamp", "symbol", "side", "price", "quantity", "pnl"]
    assert list(frame["price"]) == [Decimal("67890.1")] * 2
    assert (tmp_path / "trading_history.csv").read_text() == (
        ",timestamp,symbol,side,price,quantity,pnl\n"
        "0,2026-02-20 10:30:00.000,BTCUSDT,BUY,67890.1,0.003,-0.1\n"
        "1,2026-02-20 10:31:00.005,BTCUSDT,BUY,67890.1,0.003,-0.1\n"
    )
