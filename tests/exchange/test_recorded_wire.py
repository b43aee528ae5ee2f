"""Bytes that really came from the venue, and the examples of its documentation, fit the records."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aster_operator.exchange import parse
from aster_operator.exchange.transport import RawResponse
from aster_operator.exchange.verdict import decode_answer
from aster_operator.exchange.wire import account, agents, market, orders, records
from aster_operator.exchange.wire.market_floats import FloatFrame
from aster_operator.exchange.wire.streams import MarketFrame
from aster_operator.exchange.wire.user_stream import UserMessage

WIRE = Path(__file__).parents[2].parent / "shared" / "data" / "wire"
ASTER = WIRE / "aster"
pytestmark = pytest.mark.skipif(
    not WIRE.exists(), reason="recorded wire fixtures are not beside the repository"
)


def _bodies(pattern: str) -> list[Path]:
    return sorted(ASTER.glob(pattern))


@pytest.mark.parametrize("path", _bodies("rest_20251015/*_orderbook.json"), ids=lambda p: p.stem)
def test_recorded_books(path: Path) -> None:
    answer = RawResponse(200, {}, path.read_bytes())
    book: market.DepthRecord = decode_answer(answer, "GET depth", market.DepthRecord)
    shown = parse.depth_snapshot("X", book, 1, "GET depth")
    assert list(shown.bids) == sorted(shown.bids, key=lambda level: -level.price)
    assert list(shown.asks) == sorted(shown.asks, key=lambda level: level.price)
    if shown.bids and shown.asks:
        assert shown.bids[0].price < shown.asks[0].price


@pytest.mark.parametrize("path", _bodies("rest_20251015/*_trades.json"), ids=lambda p: p.stem)
def test_recorded_trades(path: Path) -> None:
    answer = RawResponse(200, {}, path.read_bytes())
    trades: list[market.PublicTradeRecord] = decode_answer(
        answer, "GET trades", list[market.PublicTradeRecord]
    )
    for trade in trades:
        assert trade.price > 0
        assert trade.qty > 0


def test_recorded_symbols_become_instruments() -> None:
    rows = json.loads((ASTER / "ccxt" / "exchange_info_symbols.json").read_bytes())
    found = [
        parse.instrument(msgspec.convert(row, market.SymbolRecord, strict=False), "GET exchangeInfo")
        for row in rows
    ]
    assert [instrument.symbol for instrument in found if instrument] == ["BTCUSDT", "ASTERUSDT"]


EXAMPLES: dict[str, Any] = {
    "Account/GetAccountInfo": account.AccountRecord,
    "Account/GetBalances": list[account.BalanceRecord],
    "Account/GetDepositWithdrawHistory": list[agents.DepositRecord],
    "Account/GetMultiAssetMode": account.MultiAssetsRecord,
    "Account/GetPositionAdlQuantileEstimation": list[account.AdlQuantileRecord],
    "Account/GetPositionMarginChangeHistory": list[account.MarginChangeRecord],
    "Account/GetPositionMode": account.PositionModeRecord,
    "Account/GetUserCommissionRate": account.CommissionRateRecord,
    "Account/ModifyIsolatedMargin": account.PositionMarginRecord,
    "Account/SetLeverage": account.LeverageRecord,
    "Account/SetMarginType": records.Acknowledged,
    "Account/SetMultiAssetMode": records.Acknowledged,
    "Account/SetPositionMode": records.Acknowledged,
    "Account/Transfer": account.TransferRecord,
    "ExchangeData/GetBookTicker": market.BookTickerRecord,
    "ExchangeData/GetBookTickers": list[market.BookTickerRecord],
    "ExchangeData/GetFundingRates": list[market.FundingRateRecord],
    "ExchangeData/GetIndexPriceKlines": list[market.KlineRecord],
    "ExchangeData/GetKlines": list[market.KlineRecord],
    "ExchangeData/GetMarkPrice": market.PremiumIndexRecord,
    "ExchangeData/GetMarkPrices": list[market.PremiumIndexRecord],
    "ExchangeData/GetOrderBook": market.DepthRecord,
    "ExchangeData/GetPrice": market.PriceTickerRecord,
    "ExchangeData/GetPrices": list[market.PriceTickerRecord],
    "ExchangeData/GetRecentTrades": list[market.PublicTradeRecord],
    "ExchangeData/GetTicker": market.TickerRecord,
    "ExchangeData/GetTickers": list[market.TickerRecord],
    "ExchangeData/GetTradeHistory": list[market.PublicTradeRecord],
    "Trading/CancelAllOrders": records.Acknowledged,
    "Trading/CancelAllOrdersAfterTimeout": orders.CountdownRecord,
    "Trading/GetOpenOrders": list[orders.OrderRecord],
    "Trading/GetOrder": orders.OrderRecord,
    "Trading/GetOrders": list[orders.OrderRecord],
    "Trading/GetPositions": list[account.PositionRiskRecord],
    "Trading/PlaceChaseOrder": orders.StrategyRecord,
    "Trading/PlaceOrder": orders.OrderRecord,
}


def _example(path: Path) -> str:
    """The answer of a documentation example: what follows method, path, signed flag and request."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()[3:]
    body = "\n".join(line for line in lines if not re.match(r"\s*(BodyParams|QueryParams|Params)\b", line))
    return re.sub(r"//[^\n\"]*$", "", body, flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_documented_answers(name: str) -> None:
    path = ASTER / "doc_examples" / "Endpoints" / "FuturesV3" / f"{name}.txt"
    decode_answer(RawResponse(200, {}, _example(path).encode()), name, EXAMPLES[name])


def _payloads(path: Path) -> list[str]:
    """The pushed frames of a documented subscription: what follows `=`."""
    parts = re.split(r"^=\s*\d?\s*$", path.read_text(encoding="utf-8-sig"), flags=re.MULTILINE)[1:]
    return [part.split("\n>")[0].strip() for part in parts]


@pytest.mark.parametrize("name", ["BookTicker", "Klines", "MarkPrice", "OrderBook", "Ticker", "Trades"])
def test_documented_market_messages(name: str) -> None:
    frames = _payloads(ASTER / "doc_examples" / "Subscriptions" / "Futures" / f"{name}.txt")
    assert frames
    for frame in frames:
        assert msgspec.json.decode(frame, type=MarketFrame).data is not None
        if name != "Ticker":
            assert msgspec.json.decode(frame, type=FloatFrame, strict=False).data is not None


@pytest.mark.parametrize("name", ["AccountConfig", "AccountMargin", "AccountUpdate", "OrderUpdate"])
def test_documented_user_messages(name: str) -> None:
    frames = _payloads(ASTER / "doc_examples" / "Subscriptions" / "Futures" / f"{name}.txt")
    assert frames
    for frame in frames:
        msgspec.json.decode(msgspec.json.encode(json.loads(frame)["data"]), type=UserMessage)
