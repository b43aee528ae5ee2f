"""Input files for the sweep's tests."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from aster_operator.backtest.bars import Bars


def frame_of(bars: Bars) -> pl.DataFrame:
    """Bars as a feature table."""
    columns = {
        "symbol": [bars.symbol] * len(bars),
        "bar_ts_ms": bars.close_ms,
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "vol1m": bars.volume,
        "ret_bps": bars.ret_bps,
        "bid_px": bars.bid,
        "ask_px": bars.ask,
        "tw_bid_px": bars.tw_bid,
        "tw_ask_px": bars.tw_ask,
        "spread_bps": bars.spread_bps,
        "mark_px": bars.mark,
        "mark_high": bars.mark_high,
        "mark_low": bars.mark_low,
        "funding_bps": bars.funding_bps,
        "opening_loss_bps": bars.opening_loss_bps,
    }
    columns |= {f"rs_vol_{size}m_bps": column for size, column in bars.volatility_bps.items()}
    columns |= {f"avg_vol_{size}m": column for size, column in bars.average_volume.items()}
    return pl.DataFrame(columns).fill_nan(None)


def write_grid(path: Path, space: dict[str, Any], symbol: str = "BTCUSDT", **more: float) -> Path:
    path.write_text(json.dumps({"symbols": {symbol: {"params": space, **more}}}))
    return path
