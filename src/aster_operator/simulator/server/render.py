"""Values of the exchange as the JSON of REST answers (protocol reference, sections 4.1, 4.2 and 4.6)."""

from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import MarginType, OrderStatus, OrderType
from aster_operator.domain.money import plain_text
from aster_operator.simulator.api import AccountView, AssetView, BookView, PositionRiskView
from aster_operator.simulator.model import (
    ContractSpec,
    IncomeRecord,
    KlineRecord,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.server.market_feed import DayFigures
from aster_operator.simulator.server.number_text import atoms_text, fixed_text, symbol_text
from aster_operator.simulator.strategy_model import SubOrder

__all__ = [
    "account_json",
    "balance_json",
    "book_ticker_json",
    "bracket_json",
    "day_change",
    "day_json",
    "depth_json",
    "funding_limits",
    "income_json",
    "kline_json",
    "order_json",
    "own_trade_json",
    "position_risk_json",
    "rate_text",
    "snapshot_update_id",
    "sub_order_json",
    "update_id",
]


def update_id(engine_id: int) -> int:
    """Id of a book change on the wire: the exchange's own, doubled, so that snapshots fit in between."""
    return 2 * engine_id


def snapshot_update_id(engine_id: int) -> int:
    """`lastUpdateId` of a snapshot. It lies between two changes, so a client that joins a quiet book by
    the rule of section 6.3 (first event with U <= lastUpdateId <= u) finds its place at once."""
    return 2 * engine_id + 1


def depth_json(book: BookView, now_ms: int) -> dict[str, Any]:
    text = symbol_text(book.spec)
    return {
        "lastUpdateId": snapshot_update_id(book.update_id),
        "E": now_ms,
        "T": book.time_ms,
        "bids": text.levels(book.bids),
        "asks": text.levels(book.asks),
    }


def book_ticker_json(book: BookView) -> dict[str, Any]:
    text = symbol_text(book.spec)
    bid_ticks, bid_lots = book.bids[0] if book.bids else (0, 0)
    ask_ticks, ask_lots = book.asks[0] if book.asks else (0, 0)
    return {
        "symbol": book.spec.symbol,
        "bidPrice": text.price(bid_ticks),
        "bidQty": text.quantity(bid_lots),
        "askPrice": text.price(ask_ticks),
        "askQty": text.quantity(ask_lots),
        "time": book.time_ms,
        "lastUpdateId": update_id(book.update_id),
    }


def kline_json(bar: KlineRecord) -> tuple[Any, ...]:
    text = symbol_text(bar.spec)
    return (
        bar.open_ms,
        text.price(bar.open_ticks),
        text.price(bar.high_ticks),
        text.price(bar.low_ticks),
        text.price(bar.close_ticks),
        text.quantity(bar.lots),
        bar.close_ms,
        text.notional(bar.quote_atoms),
        bar.trades,
        text.quantity(bar.taker_buy_lots),
        text.notional(bar.taker_buy_quote_atoms),
        "0",
    )


def day_change(figures: DayFigures) -> tuple[str, str, str]:
    """(change, change in percent, volume-weighted average) of the last 24 hours as text."""
    text = symbol_text(figures.spec)
    change = figures.last_ticks - figures.open_ticks
    percent = Decimal(change * 100) / figures.open_ticks if figures.open_ticks else Decimal(0)
    weighted = text.price(figures.last_ticks)
    if figures.lots:
        ticks = Decimal(figures.quote_atoms) / (figures.lots * figures.spec.atoms_per_tick_lot)
        weighted = text.average(ticks * figures.spec.instrument.tick_size)
    return text.price(change), f"{percent:.3f}", weighted


def day_json(figures: DayFigures) -> dict[str, Any]:
    text = symbol_text(figures.spec)
    change, percent, weighted = day_change(figures)
    return {
        "symbol": figures.spec.symbol,
        "priceChange": change,
        "priceChangePercent": percent,
        "weightedAvgPrice": weighted,
        "lastPrice": text.price(figures.last_ticks),
        "lastQty": text.quantity(figures.last_lots),
        "openPrice": text.price(figures.open_ticks),
        "highPrice": text.price(figures.high_ticks),
        "lowPrice": text.price(figures.low_ticks),
        "volume": text.quantity(figures.lots),
        "quoteVolume": text.notional(figures.quote_atoms),
        "openTime": figures.open_ms,
        "closeTime": figures.close_ms,
        "firstId": figures.first_id,
        "lastId": figures.last_id,
        "count": figures.trades,
    }


def funding_limits(spec: ContractSpec) -> tuple[float, float]:
    """(floor, cap) of a funding rate: three percent for eight hours, two for shorter intervals."""
    cap = 0.03 if spec.funding_interval_hours >= 8 else 0.02
    return -cap, cap


def order_json(order: SimulatedOrder, *, acknowledged: bool = False, listed: bool = False) -> dict[str, Any]:
    """The order object of section 4.2.

    `acknowledged` shows it as it was accepted (NEW, nothing filled), which is what an ACK answer says even
    of an order that has filled meanwhile; `listed` is the shape of queries, which has no `cumQty`.
    """
    text = symbol_text(order.spec)
    filled = 0 if acknowledged else order.filled_lots
    executed = text.quantity(filled) if filled else text.zero_quantity
    payload: dict[str, Any] = {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": OrderStatus.NEW.value if acknowledged else order.status.value,
        "clientOrderId": order.client_order_id,
        "price": text.price(order.price_ticks),
        "avgPrice": text.zero_average if filled == 0 else text.average(order.average_price),
        "origQty": text.quantity(order.lots),
        "executedQty": executed,
        "cumQuote": text.notional(0 if acknowledged else order.cost_atoms),
        "timeInForce": order.time_in_force.value,
        "type": order.original_type.value if acknowledged else order.order_type.value,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "stopPrice": text.price(order.stop_ticks) if order.stop_ticks else text.zero_price,
        "workingType": order.working_type.value,
        "priceProtect": order.price_protect,
        "origType": order.original_type.value,
        "time": order.created_ms,
        "updateTime": order.created_ms if acknowledged else order.updated_ms,
    }
    if not listed:
        payload["cumQty"] = executed
    if order.original_type is OrderType.TRAILING_STOP_MARKET:
        payload["activatePrice"] = text.price(order.activation_ticks)
        payload["priceRate"] = plain_text(order.callback_rate_pct)
    return payload


def sub_order_json(leg: SubOrder) -> dict[str, Any]:
    """One leg of a strategy: its order once placed, what was asked for until then."""
    payload: dict[str, Any] = {"strategySubId": leg.sub_id, "securityType": "FUTURE"}
    if leg.order is not None:
        payload |= order_json(leg.order, listed=True)
    else:
        request = leg.request
        payload |= {
            "symbol": request.symbol,
            "side": request.side.value,
            "positionSide": request.position_side.value,
            "type": request.order_type.value,
            "status": "REJECTED" if leg.refused else "PENDING",
            "origQty": None if request.quantity is None else plain_text(request.quantity),
            "price": None if request.price is None else plain_text(request.price),
            "stopPrice": None if request.stop_price is None else plain_text(request.stop_price),
        }
    for slot, trigger in zip(("first", "second"), leg.triggers, strict=False):
        payload |= {
            f"{slot}DrivenId": trigger.driven_id,
            f"{slot}DrivenOn": trigger.driven_on.value,
            f"{slot}Trigger": trigger.action.value,
        }
    return payload


def own_trade_json(trade: TradeRecord) -> dict[str, Any]:
    text = symbol_text(trade.spec)
    margin_asset = trade.spec.instrument.margin_asset
    return {
        "symbol": trade.spec.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side.value,
        "positionSide": trade.position_side.value,
        "price": text.price(trade.ticks),
        "qty": text.quantity(trade.lots),
        "quoteQty": text.notional(trade.spec.notional_atoms(trade.ticks, trade.lots)),
        "realizedPnl": atoms_text(trade.realized_atoms),
        "commission": atoms_text(trade.commission_atoms),
        "commissionAsset": margin_asset,
        "marginAsset": margin_asset,
        "buyer": trade.side.sign > 0,
        "maker": trade.is_maker,
        "time": trade.time_ms,
    }


def income_json(row: IncomeRecord) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "incomeType": row.income_type,
        "income": atoms_text(row.atoms),
        "asset": row.asset,
        "info": row.info,
        "time": row.time_ms,
        "tranId": row.transaction_id,
        "tradeId": "" if row.trade_id is None else str(row.trade_id),
    }


def balance_json(account_id: str, asset: AssetView) -> dict[str, Any]:
    return {
        "accountAlias": account_id.removeprefix("0x")[:8],
        "asset": asset.asset,
        "balance": atoms_text(asset.wallet_atoms),
        "crossWalletBalance": atoms_text(asset.cross_wallet_atoms),
        "crossUnPnl": atoms_text(asset.cross_unrealized_atoms),
        "availableBalance": atoms_text(asset.available_atoms),
        "maxWithdrawAmount": atoms_text(asset.max_withdraw_atoms),
        "marginAvailable": True,
        "updateTime": asset.updated_ms,
    }


def _asset_json(asset: AssetView) -> dict[str, Any]:
    return {
        "asset": asset.asset,
        "walletBalance": atoms_text(asset.wallet_atoms),
        "unrealizedProfit": atoms_text(asset.unrealized_atoms),
        "marginBalance": atoms_text(asset.margin_balance_atoms),
        "maintMargin": atoms_text(asset.maintenance_atoms),
        "initialMargin": atoms_text(asset.initial_atoms),
        "positionInitialMargin": atoms_text(asset.position_initial_atoms),
        "openOrderInitialMargin": atoms_text(asset.open_order_initial_atoms),
        "crossWalletBalance": atoms_text(asset.cross_wallet_atoms),
        "crossUnPnl": atoms_text(asset.cross_unrealized_atoms),
        "availableBalance": atoms_text(asset.available_atoms),
        "maxWithdrawAmount": atoms_text(asset.max_withdraw_atoms),
        "marginAvailable": True,
        "updateTime": asset.updated_ms,
    }


def _account_position_json(position: PositionRiskView) -> dict[str, Any]:
    text = symbol_text(position.spec)
    return {
        "symbol": position.spec.symbol,
        "initialMargin": atoms_text(position.initial_atoms + position.open_order_initial_atoms),
        "maintMargin": atoms_text(position.maintenance_atoms),
        "unrealizedProfit": atoms_text(position.unrealized_atoms),
        "positionInitialMargin": atoms_text(position.initial_atoms),
        "openOrderInitialMargin": atoms_text(position.open_order_initial_atoms),
        "leverage": str(position.leverage),
        "isolated": position.margin_type is MarginType.ISOLATED,
        "entryPrice": text.average(position.entry_price),
        "maxNotional": str(position.max_notional),
        "positionSide": position.position_side.value,
        "positionAmt": text.quantity(position.lots),
        "notional": atoms_text(position.notional_atoms),
        "isolatedWallet": atoms_text(position.isolated_wallet_atoms),
        "updateTime": position.updated_ms,
    }


def account_json(view: AccountView) -> dict[str, Any]:
    """The account object of section 4.6."""

    def total(name: str) -> str:
        return atoms_text(getattr(view.totals, name))

    return {
        "feeTier": view.fee_tier,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": view.updated_ms,
        "totalInitialMargin": total("initial_atoms"),
        "totalMaintMargin": total("maintenance_atoms"),
        "totalWalletBalance": total("wallet_atoms"),
        "totalUnrealizedProfit": total("unrealized_atoms"),
        "totalMarginBalance": total("margin_balance_atoms"),
        "totalPositionInitialMargin": total("position_initial_atoms"),
        "totalOpenOrderInitialMargin": total("open_order_initial_atoms"),
        "totalCrossWalletBalance": total("cross_wallet_atoms"),
        "totalCrossUnPnl": total("cross_unrealized_atoms"),
        "availableBalance": total("available_atoms"),
        "maxWithdrawAmount": total("max_withdraw_atoms"),
        "assets": [_asset_json(asset) for asset in view.assets],
        "positions": [_account_position_json(position) for position in view.positions],
    }


def position_risk_json(position: PositionRiskView) -> dict[str, Any]:
    """A row of positionRisk. `notional` (signed) and `isolatedWallet` are live though undocumented, and
    clients derive the side of a position from them (section 11.1)."""
    text = symbol_text(position.spec)
    return {
        "symbol": position.spec.symbol,
        "positionAmt": text.quantity(position.lots),
        "entryPrice": text.average(position.entry_price),
        "markPrice": atoms_text(position.mark_e8),
        "unRealizedProfit": atoms_text(position.unrealized_atoms),
        "liquidationPrice": plain_text(round(position.liquidation_price, 8)),
        "leverage": str(position.leverage),
        "maxNotionalValue": str(position.max_notional),
        "marginType": "isolated" if position.margin_type is MarginType.ISOLATED else "cross",
        "isolatedMargin": atoms_text(position.isolated_margin_atoms),
        "isAutoAddMargin": "false",
        "positionSide": position.position_side.value,
        "notional": atoms_text(position.notional_atoms),
        "isolatedWallet": atoms_text(position.isolated_wallet_atoms),
        "updateTime": position.updated_ms,
    }


def bracket_json(spec: ContractSpec) -> dict[str, Any]:
    return {
        "symbol": spec.symbol,
        "brackets": [
            {
                "bracket": each.bracket,
                "initialLeverage": each.initial_leverage,
                "notionalCap": each.notional_cap,
                "notionalFloor": each.notional_floor,
                "maintMarginRatio": float(each.maintenance_ratio),
                "cum": float(each.cumulative),
            }
            for each in spec.brackets
        ],
    }


def rate_text(rate_e8: int) -> str:
    """A fee rate as commissionRate prints it: `0.000350`."""
    return fixed_text(rate_e8, 8).rstrip("0").ljust(8, "0")
