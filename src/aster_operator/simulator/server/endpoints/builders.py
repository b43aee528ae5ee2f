"""What a builder may read of the users who have approved it (protocol reference, section 4.8).

The caller is the builder. No builder fee is charged here, so `builderFee` is always zero.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.money import plain_text
from aster_operator.simulator.api import AccountView
from aster_operator.simulator.model import ATOMS, SimulatedOrder, TradeRecord, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import Account
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.number_text import atoms_text, symbol_text
from aster_operator.simulator.server.render import (
    order_json,
    own_trade_json,
    position_risk_json,
    rate_text,
)
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["BUILDER_ENDPOINTS"]

MOST_ADDRESSES = 50
OLDEST_DAYS = 90
DEFAULT_SPAN_MS = 7 * DAY_MS
NOT_BOUND = "This user address is not bound to this builder."
NO_DEPOSIT = "This function can only be used after deposit"
_OPEN_ORDER_FIELDS = [
    "symbol",
    "orderId",
    "clientOrderId",
    "price",
    "origQty",
    "executedQty",
    "avgPrice",
    "stopPrice",
    "status",
    "side",
    "positionSide",
    "type",
    "timeInForce",
    "time",
    "workingType",
]


@dataclass(slots=True)
class _Chosen:
    """The users a call is about, and the addresses it has to leave out."""

    users: list[Account]
    errors: list[dict[str, str]] = field(default_factory=list)


def _bound(call: Call) -> list[Account]:
    """Everybody who has approved the caller, in the order of their approval."""
    caller = call.account_id
    bound = [account for account in call.services.registry.accounts() if caller in account.builders]
    return sorted(bound, key=lambda account: account.builders[caller].approved_ms)


def _chosen(call: Call) -> _Chosen:
    """Raises VenueRefusal(-1130) for more than fifty addresses."""
    text = call.params.optional_text("userAddresses")
    bound = _bound(call)
    if text is None:
        return _Chosen(bound)
    addresses = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not 1 <= len(addresses) <= MOST_ADDRESSES:
        raise refusals.invalid_parameter("userAddresses")
    by_id = {account.account_id: account for account in bound}
    chosen = _Chosen([])
    for address in addresses:
        account = by_id.get(address.lower())
        if account is not None:
            chosen.users.append(account)
            continue
        known = call.services.registry.account(address) is not None
        chosen.errors.append({"address": address, "errorMsg": NOT_BOUND if known else NO_DEPOSIT})
    return chosen


def _page(
    call: Call, items: Sequence[Any], rows_of: Callable[[Any], Iterable[Any]], errors: Sequence[Any]
) -> dict[str, Any]:
    """The asked page of `items`, each of which may give any number of rows."""
    number = call.params.optional_integer("page", low=1) or 1
    size = call.params.limit(50, 1000)
    pages = -(-len(items) // size)
    shown = items[(number - 1) * size : number * size]
    answer: dict[str, Any] = {
        "total": len(items),
        "currentPage": number,
        "totalPages": pages,
        "pageSize": size,
        "hasMore": number < pages,
        "rows": [row for item in shown for row in rows_of(item)],
    }
    return answer | {"errors": list(errors)} if errors else answer


def _by_user(call: Call, rows_of: Callable[[Account], Iterable[dict[str, Any]]]) -> dict[str, Any]:
    chosen = _chosen(call)
    return _page(
        call,
        chosen.users,
        lambda user: ({"address": user.user} | row for row in rows_of(user)),
        chosen.errors,
    )


def _symbol(call: Call) -> str | None:
    spec = call.optional_spec()
    return None if spec is None else spec.symbol


# --- by user


def user_accounts(call: Call) -> Any:
    """Permissions, modes and leverage of the builder's users."""
    symbol = _symbol(call)

    def rows(user: Account) -> Iterable[dict[str, Any]]:
        view: AccountView = call.exchange.account(user.account_id)
        leverage = {row.spec.symbol: row.leverage for row in view.positions}
        yield {
            "feeTier": view.fee_tier,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "updateTime": view.updated_ms,
            "accountType": 0,
            "dualSidePosition": view.hedge_mode,
            "jointMargin": view.multi_assets,
            "feeBurn": False,
            "feeBurnAssetId": 0,
            "symbolConfig": [
                {"symbol": name, "leverage": value, "notionalLimitCoef": "1"}
                for name, value in leverage.items()
                if symbol in (None, name)
            ],
        }

    return _by_user(call, rows)


def user_open_orders(call: Call) -> Any:
    """Open orders of the builder's users."""
    symbol = _symbol(call)

    def rows(user: Account) -> Iterable[dict[str, Any]]:
        for order in call.exchange.open_orders(user.account_id, symbol):
            payload = order_json(order, listed=True)
            yield {name: payload[name] for name in _OPEN_ORDER_FIELDS}

    return _by_user(call, rows)


def user_balances(call: Call) -> Any:
    """Wallets of the builder's users, in the asset and in USD."""

    def rows(user: Account) -> Iterable[dict[str, Any]]:
        for view in call.exchange.account(user.account_id).assets:
            price_e8 = call.exchange.asset_price_e8(view.asset)
            yield {
                "asset": view.asset,
                "walletBalance": atoms_text(view.wallet_atoms),
                "price": atoms_text(price_e8),
                "balanceInUsd": atoms_text(view.wallet_atoms * price_e8 // ATOMS),
            }

    return _by_user(call, rows)


def user_position_risk(call: Call) -> Any:
    """Open positions of the builder's users; flat ones are left out."""
    symbol = _symbol(call)

    def rows(user: Account) -> Iterable[dict[str, Any]]:
        for row in call.exchange.positions(user.account_id, symbol):
            if row.lots:
                yield position_risk_json(row)

    return _by_user(call, rows)


def user_commission_rates(call: Call) -> Any:
    """Fees of the builder's users on a symbol."""
    symbol = call.spec().symbol

    def rows(user: Account) -> Iterable[dict[str, Any]]:
        maker_e8, taker_e8 = call.exchange.fee_rates_e8(user.account_id, symbol)
        yield {
            "symbol": symbol,
            "makerCommissionRate": rate_text(maker_e8),
            "takerCommissionRate": rate_text(taker_e8),
        }

    return _by_user(call, rows)


# --- by row


def _span(call: Call) -> tuple[int, int]:
    """The asked span; default the last seven days. Raises VenueRefusal (-1023, -5047, -1130)."""
    start_ms, end_ms = call.params.time_span()
    now_ms = call.exchange.now_ms
    if end_ms is not None and end_ms > now_ms + DAY_MS:
        raise refusals.invalid_parameter("endTime")
    end_ms = now_ms if end_ms is None else end_ms
    start_ms = end_ms - DEFAULT_SPAN_MS if start_ms is None else start_ms
    if start_ms < now_ms - OLDEST_DAYS * DAY_MS:
        raise VenueRefusal(-5047, f"StartTime must be within the last {OLDEST_DAYS} days.")
    return start_ms, end_ms


def _orders(call: Call, user: Account, symbol: str | None = None) -> list[SimulatedOrder]:
    """Orders the user has sent under the caller's code."""
    symbols = list(call.exchange.contracts()) if symbol is None else [symbol]
    return [
        order
        for name in symbols
        for order in call.exchange.order_history(user.account_id, name)
        if order.builder == call.account_id
    ]


def user_trades(call: Call) -> Any:
    """Trades under the caller's code, newest first."""
    start_ms, end_ms = _span(call)
    chosen = _chosen(call)
    found: list[tuple[Account, TradeRecord]] = []
    for user in chosen.users:
        ids = {order.order_id for order in _orders(call, user)}
        found += [
            (user, trade)
            for trade in call.exchange.trades(user.account_id, None)
            if trade.order_id in ids and start_ms <= trade.time_ms <= end_ms
        ]
    found.sort(key=lambda pair: (-pair[1].time_ms, -pair[1].trade_id))
    return _page(call, found, lambda pair: (_trade_json(*pair),), chosen.errors)


def _trade_json(user: Account, trade: TradeRecord) -> dict[str, Any]:
    instrument, text = trade.spec.instrument, symbol_text(trade.spec)
    own = own_trade_json(trade)
    return {
        "tradeId": trade.trade_id,
        "insertTime": trade.time_ms,
        "symbol": instrument.symbol,
        "positionSide": own["positionSide"],
        "price": plain_text(trade.spec.price_of(trade.ticks)),
        "qty": text.quantity(trade.lots),
        "baseAsset": instrument.base_asset,
        "baseType": "CRYPTO",
        "quoteAsset": instrument.quote_asset,
        "side": own["side"],
        "activeBuy": trade.side.sign > 0 and not trade.is_maker,
        "feeAsset": own["commissionAsset"],
        "totalQuota": own["quoteQty"],
        # From the user's side: negative when paid.
        "fee": atoms_text(trade.builder_atoms - trade.commission_atoms),
        "orderId": trade.order_id,
        "realizedProfit": own["realizedPnl"],
        "marginAsset": own["marginAsset"],
        "userAddress": user.user,
        "builderFee": atoms_text(-trade.builder_atoms),
    }


def user_all_orders(call: Call) -> Any:
    """Orders in any state under the caller's code, newest first."""
    symbol = _symbol(call)
    start_ms, end_ms = _span(call)
    chosen = _chosen(call)
    found = [
        (user, order)
        for user in chosen.users
        for order in _orders(call, user, symbol)
        if start_ms <= order.created_ms <= end_ms
    ]
    found.sort(key=lambda pair: -pair[1].order_id)
    return _page(
        call,
        found,
        lambda pair: (order_json(pair[1], listed=True) | {"address": pair[0].user},),
        chosen.errors,
    )


def approved_users(call: Call) -> Any:
    """Who has approved the caller as builder: a list, or one page of it for who asks for a page.

    The venue's documents have shown both forms; a program that knows the older sends neither page nor limit.
    """
    start_ms = call.params.optional_integer("startTime", low=0) or 0
    end_ms = call.params.optional_integer("endTime", low=0)
    rows = []
    for user in _bound(call):
        builder = user.builders[call.account_id]
        if builder.approved_ms > start_ms and (end_ms is None or builder.approved_ms <= end_ms):
            rows.append(
                {
                    "userAddress": user.user,
                    "builderAddress": builder.address,
                    "maxFeeRate": builder.max_fee_rate,
                    "builderName": builder.name,
                    "approveTime": builder.approved_ms,
                }
            )
    if "page" in call.params or "limit" in call.params:
        return _page(call, rows, lambda row: (row,), ())
    return rows[:1000]


def _read(name: str, handler: Callable[[Call], Any]) -> Endpoint:
    return Endpoint("GET", f"builder/{name}", (3,), Security.USER_DATA, handler, 5)


BUILDER_ENDPOINTS = (
    _read("approvedUserList", approved_users),
    _read("userAccounts", user_accounts),
    _read("userOpenOrders", user_open_orders),
    _read("userBalances", user_balances),
    _read("userPositionRisk", user_position_risk),
    _read("userCommissionRates", user_commission_rates),
    _read("userTrades", user_trades),
    _read("userAllOrders", user_all_orders),
)
