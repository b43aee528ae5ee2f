"""Features the original's way, in pandas: what ours must equal, and what the benchmark compares with.

The steps are the original program's, written anew, so that it does no more and no less work: each log is
read with all its columns; numbers are coerced column by column, and the flag of a closed bar goes through
text; rows are sorted by symbol and time; of a minute the last snapshot is kept by dropping duplicates; each
symbol's rows are copied out; the quote and the mark known at a close are joined backwards; quotes are laid
on a grid of seconds, filled forward and averaged by minute.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

_MINUTE_MS = 60_000
_PRICES = ("open", "high", "low", "close")


def the_pandas_way(folder: Path, windows: Sequence[int]) -> pd.DataFrame:
    """The features of all symbols in the logs of `folder`, sorted by symbol and close."""
    bars = _last_snapshots(_log(folder, "kline"))
    quotes = _in_order(_log(folder, "bookTicker"), ["bid_px", "ask_px", "spread", "mid"])
    marks = _in_order(_log(folder, "markPrice"), ["mark_px", "funding_rate"])
    parts = []
    for symbol in sorted(set(bars["symbol"].astype(str))):
        own = [rows[rows["symbol"] == symbol].copy() for rows in (bars, quotes, marks)]
        parts.append(_with_features(_joined(*own), windows))
    return pd.concat(parts, ignore_index=True).sort_values(["symbol", "bar_ts_ms"], ignore_index=True)


def _log(folder: Path, name: str) -> pd.DataFrame:
    files = sorted(folder.glob(f"{name}_*.csv")) or [folder / f"{name}.csv"]
    return pd.concat([pd.read_csv(file) for file in files], ignore_index=True)


def _coerced(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    rows = rows.copy()
    for column in columns:
        rows[column] = pd.to_numeric(rows[column], errors="coerce")
    return rows


def _last_snapshots(rows: pd.DataFrame) -> pd.DataFrame:
    """The last row of each symbol and minute, with the close of its bar."""
    needed = ["ts_unix_ms", *(f"k1_{name}" for name in _PRICES), "k1_base_vol"]
    rows = _coerced(rows, [*needed, "k1_start_ms", "k1_close_ms"])
    rows["k1_closed"] = rows["k1_closed"].astype(str).str.lower().isin(["true", "1"])
    rows = rows.dropna(subset=["symbol", *needed])
    rows["minute_ms"] = rows["ts_unix_ms"] // _MINUTE_MS * _MINUTE_MS
    rows = rows.sort_values(["symbol", "minute_ms", "ts_unix_ms"])
    rows = rows.drop_duplicates(subset=["symbol", "minute_ms"], keep="last")
    close_ms = rows["k1_close_ms"].where(rows["k1_close_ms"].notna(), rows["minute_ms"] + _MINUTE_MS - 1)
    rows["bar_ts_ms"] = close_ms.astype("int64")
    return rows


def _in_order(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    rows = _coerced(rows, ["ts_unix_ms", *columns]).dropna(subset=["symbol", "ts_unix_ms"])
    return rows.sort_values(["symbol", "ts_unix_ms"])


def _joined(bars: pd.DataFrame, quotes: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    """The bars of one symbol with what was known at their close, and the mean quote of their minute."""
    bars = bars.sort_values("bar_ts_ms").drop(columns="ts_unix_ms")
    for rows, columns in (
        (quotes, ["bid_px", "ask_px", "spread", "mid"]),
        (marks, ["mark_px", "funding_rate"]),
    ):
        known = rows[["ts_unix_ms", *columns]].sort_values("ts_unix_ms")
        bars = pd.merge_asof(bars, known, left_on="bar_ts_ms", right_on="ts_unix_ms", direction="backward")
        bars = bars.drop(columns="ts_unix_ms")
    return bars.merge(_mean_quotes(quotes), on="minute_ms", how="left")


def _mean_quotes(quotes: pd.DataFrame) -> pd.DataFrame:
    """The mean over the seconds of each minute of the quote that held in them."""
    heard = quotes[["bid_px", "ask_px"]].copy()
    heard.index = pd.to_datetime(quotes["ts_unix_ms"], unit="ms", utc=True)
    heard = heard.sort_index()
    heard = heard[~heard.index.duplicated(keep="last")]
    first, last = heard.index.min().floor("1min"), heard.index.max().ceil("1min")
    seconds = heard.reindex(pd.date_range(first, last, freq="1s")).ffill()
    means = seconds.resample("1min").mean().rename(columns={"bid_px": "tw_bid_px", "ask_px": "tw_ask_px"})
    means["minute_ms"] = means.index.as_unit("ms").astype("int64")
    return means.reset_index(drop=True)


def _with_features(rows: pd.DataFrame, windows: Sequence[int]) -> pd.DataFrame:
    out = rows[["bar_ts_ms", "symbol"]].copy()
    for name in _PRICES:
        out[name] = rows[f"k1_{name}"].astype(float)
    out["vol1m"] = rows["k1_base_vol"].astype(float)
    out["ret_bps"] = out["close"].pct_change() * 1e4
    for name in ("bid_px", "ask_px", "mark_px", "funding_rate", "tw_bid_px", "tw_ask_px"):
        out[name] = rows[name]
    out["mid"] = rows["mid"].where(rows["mid"] > 0, 0.5 * (out["bid_px"] + out["ask_px"]))
    out["spread_bps"] = np.where(out["mid"] > 0, 1e4 * (out["ask_px"] - out["bid_px"]) / out["mid"], np.nan)
    out["funding_bps"] = out["funding_rate"] * 1e4
    out["opening_loss_buy_bps"] = 1e4 * (out["ask_px"] / out["mark_px"] - 1)
    out["opening_loss_sell_bps"] = 1e4 * (out["mark_px"] / out["bid_px"] - 1)
    out["opening_loss_bps"] = np.where(
        out["ret_bps"] >= 0, out["opening_loss_buy_bps"], out["opening_loss_sell_bps"]
    )
    up = np.log(out["high"] / out["open"]) * np.log(out["high"] / out["close"])
    variance = up + np.log(out["low"] / out["open"]) * np.log(out["low"] / out["close"])
    out["rs_var_1m"] = variance.where((out[list(_PRICES)] > 0).all(axis=1))
    for window in windows:
        mean = out["rs_var_1m"].rolling(window, min_periods=window).mean()
        out[f"rs_vol_{window}m_bps"] = 1e4 * np.sqrt(mean)
        out[f"avg_vol_{window}m"] = out["vol1m"].rolling(window, min_periods=window).mean()
    return out
