"""What a futures client touches of the spot host (protocol reference, sections 1.1, 4.6 and 10)."""

from typing import Any

from aster_operator.domain.money import plain_text
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.market import ping, server_time
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["SPOT_ENDPOINTS"]


def exchange_info(call: Call) -> Any:
    """The spot markets: none so far, which clients accept. Assets are those of the futures wallets."""
    contracts = call.exchange.contracts().values()
    assets = dict.fromkeys(
        name for spec in contracts for name in (spec.instrument.margin_asset, spec.instrument.base_asset)
    )
    return {
        "timezone": "UTC",
        "serverTime": call.services.clock.now_ms(),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": asset} for asset in assets],
        "symbols": [],
    }


def no_markets(call: Call) -> Any:
    """Tickers of all spot markets: none. Any single symbol is unknown."""
    if call.params.optional_text("symbol") is not None:
        raise refusals.bad_symbol()
    return []


def unknown_market(call: Call) -> Any:
    """Market data of one spot symbol, of which there is none."""
    call.params.text("symbol")
    raise refusals.bad_symbol()


def no_orders(call: Call) -> Any:
    """Spot orders and trades of the account: none, and no symbol to have them in."""
    if call.params.optional_text("symbol") is not None:
        raise refusals.bad_symbol()
    return []


def account(call: Call) -> Any:
    """Spot balances."""
    balances = call.services.spot.balances(call.account_id)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "canBurnAsset": True,
        "updateTime": call.exchange.now_ms,
        "balances": [
            {"asset": asset, "free": plain_text(amount), "locked": "0"} for asset, amount in balances.items()
        ],
    }


def transfer(call: Call) -> Any:
    """Move money between the futures and the spot wallet of the account."""
    kind = call.params.text("kindType")
    if kind not in ("FUTURE_SPOT", "SPOT_FUTURE"):
        raise refusals.invalid_parameter("kindType")
    transfer_id = call.services.spot.transfer(
        call.account_id,
        call.params.text("asset"),
        call.params.decimal("amount"),
        call.params.text("clientTranId"),
        kind == "FUTURE_SPOT",
    )
    return {"tranId": transfer_id, "status": "SUCCESS"}


_BOTH = (1, 3)

SPOT_ENDPOINTS = (
    Endpoint("GET", "ping", _BOTH, Security.NONE, ping, product="api"),
    Endpoint("GET", "time", _BOTH, Security.NONE, server_time, product="api"),
    Endpoint("GET", "exchangeInfo", _BOTH, Security.NONE, exchange_info, product="api"),
    *(
        Endpoint("GET", name, _BOTH, Security.NONE, no_markets, product="api")
        for name in ("ticker/24hr", "ticker/price", "ticker/bookTicker")
    ),
    *(
        Endpoint("GET", name, _BOTH, Security.NONE, unknown_market, product="api")
        for name in ("depth", "trades", "aggTrades", "klines")
    ),
    *(
        Endpoint("GET", name, _BOTH, Security.USER_DATA, no_orders, 5, product="api")
        for name in ("openOrders", "allOrders", "userTrades")
    ),
    Endpoint("POST", "order", _BOTH, Security.TRADE, unknown_market, product="api"),
    Endpoint("GET", "account", _BOTH, Security.USER_DATA, account, 5, product="api"),
    Endpoint("POST", "asset/wallet/transfer", _BOTH, Security.TRANSFER, transfer, 5, product="api"),
    Endpoint("POST", "asset/wallet/transfer", _BOTH, Security.TRANSFER, transfer, 5),
)
