"""Every endpoint: right path, scheme, parameters and record; every request verified by another library."""

import asyncio
import inspect
import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.enums import (
    MarginType,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from aster_operator.exchange import calls
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.calls.order_parameters import order_parameters
from aster_operator.exchange.calls.spot import SpotCalls
from aster_operator.exchange.calls.strategy_orders import (
    DrivenOn,
    StrategyLeg,
    StrategyType,
    Trigger,
    TriggerAction,
)
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
from aster_operator.exchange.errors import MissingCredentials, UnknownOutcome
from aster_operator.exchange.transport import RawRequest, RawResponse
from aster_operator.exchange.wire.orders import BatchRefusal, OrderRecord
from exchange import payloads, vectors

NOW_MS = 1_770_000_000_000


class CapturingTransport:
    """Answers everything with one body and keeps what was asked."""

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.body = body
        self.status = status
        self.requests: list[RawRequest] = []

    async def send(self, request: RawRequest) -> RawResponse:
        self.requests.append(request)
        return RawResponse(self.status, {}, json.dumps(self.body).encode())

    async def close(self) -> None:
        pass


def _client(transport: CapturingTransport, scheme: str = "v3") -> AsterClient:
    credentials = {
        "v3": AgentCredentials(vectors.USER_ADDRESS, vectors.AGENT_ADDRESS, vectors.AGENT_KEY),
        "wallet": AgentCredentials.from_private_key(vectors.USER_KEY),
        "v1": ApiKeyCredentials("k" * 64, "s" * 64),
    }[scheme]
    return AsterClient(
        credentials,
        environment="sim",
        base_url="http://venue",
        ws_url="ws://venue",
        clock=ManualClock(NOW_MS),
        transport=transport,
    )


def _text(request: RawRequest) -> str:
    return urlsplit(request.url).query or (request.body or b"").decode()


def _parameters(request: RawRequest) -> dict[str, str]:
    auth = ("nonce", "user", "signer", "signature", "timestamp", "recvWindow")
    return {k: v for k, v in parse_qsl(_text(request), keep_blank_values=True) if k not in auth}


ORDER = payloads.order()
ACK = {"code": 200, "msg": "success"}
STRATEGY = {"strategyId": 1, "strategyType": "OTO", "strategyStatus": "WORKING", "updateTime": 1}
KLINE = [1, "1", "2", "0.5", "1.5", "10", 60_000, "15", 3, "5", "7", "0"]
TICKER = {
    "symbol": "BTCUSDT", "priceChange": "1", "priceChangePercent": "1", "weightedAvgPrice": "1",
    "lastPrice": "1", "lastQty": "1", "openPrice": "1", "highPrice": "1", "lowPrice": "1", "volume": "1",
    "quoteVolume": "1", "openTime": 1, "closeTime": 2, "firstId": 1, "lastId": 2, "count": 2,
}  # fmt: skip
BALANCE = {
    "accountAlias": "x", "asset": "USDT", "balance": "1", "crossWalletBalance": "1", "crossUnPnl": "0",
    "availableBalance": "1", "maxWithdrawAmount": "1", "marginAvailable": True, "updateTime": 1,
}  # fmt: skip
BRACKETS = {
    "symbol": "BTCUSDT",
    "brackets": [
        {
            "bracket": 1, "initialLeverage": 125, "notionalCap": 50000, "notionalFloor": 0,
            "maintMarginRatio": 0.004, "cum": 0.0,
        }
    ],
}  # fmt: skip
MMP = {
    "symbol": "BTCUSDT", "windowTimeInMilliseconds": 1000, "frozenTimeInMilliseconds": 5000,
    "qtyLimit": "10",
}  # fmt: skip
ANNOUNCEMENT = {
    "id": 2, "category": "MAINTENANCE", "publishTime": 5, "jumpLink": "u",
    "contents": [{"language": "en", "title": "t", "subtitle": "s", "content": "c"}],
}  # fmt: skip
MIGRATION = {
    "batchId": "b1", "totalCount": 1, "successCount": 0, "processingCount": 0, "failCount": 0, "initCount": 1,
    "details": [
        {"id": 1, "asset": "BTC", "amount": "0.05", "tranId": None, "status": "I", "fromStatus": None,
         "fromErrorCode": None, "fromResponse": None, "toStatus": None, "toErrorCode": None,
         "toResponse": None},
    ],
}  # fmt: skip
WITHDRAWABLE = {
    "userDailyLimit": "10000", "userRemainingDailyLimit": "9000", "totalDailyLimit": "1000000",
    "totalRemainingDailyLimit": "980000",
    "balances": {
        "USDT": {
            "currency": "USDT", "spotTotalWithdrawAmount": "500", "perpTotalWithdrawAmount": "300",
            "dailyLimit": "9000",
            "chainBalances": {
                "56": {"chainId": 56, "spotMaxWithdrawAmount": "500", "perpMaxWithdrawAmount": "300",
                       "chainLimit": "800", "withdrawFee": "0.5"},
            },
        },
    },
}  # fmt: skip
USER_ACCOUNT = {
    "address": "0x1", "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True,
    "updateTime": 1, "accountType": 0, "dualSidePosition": False, "jointMargin": False, "feeBurn": False,
    "feeBurnAssetId": 0,
    "symbolConfig": [{"symbol": "BTCUSDT", "leverage": 20, "notionalLimitCoef": "10"}],
}  # fmt: skip
USER_ORDER = {
    "address": "0x1", "symbol": "BTCUSDT", "orderId": 1, "clientOrderId": "abc", "price": "0",
    "origQty": "0.40", "executedQty": "0", "avgPrice": "0.00000", "stopPrice": "9300", "status": "NEW",
    "side": "BUY", "positionSide": "SHORT", "type": "TRAILING_STOP_MARKET", "timeInForce": "GTC", "time": 1,
    "workingType": "CONTRACT_PRICE",
}  # fmt: skip
USER_TRADE = {
    "tradeId": 1, "insertTime": 2, "symbol": "BTCUSDT", "positionSide": "SHORT", "price": "7819.01",
    "qty": "0.002", "baseAsset": "BTC", "baseType": "CRYPTO", "quoteAsset": "USDT", "side": "SELL",
    "activeBuy": False, "feeAsset": "USDT", "totalQuota": "15.63802", "fee": "-0.07819010", "orderId": 3,
    "realizedProfit": "-0.91539999", "marginAsset": "USDT", "userAddress": "0x1", "builderFee": "0.0005",
}  # fmt: skip


def page_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "total": 1, "currentPage": 1, "totalPages": 1, "pageSize": 50, "hasMore": False, "rows": [row],
        "errors": [{"address": "0x9", "errorMsg": "This user address is not bound to this builder."}],
    }  # fmt: skip


LEG = StrategyLeg(symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal("0.01"))
EXIT = StrategyLeg(
    symbol="BTCUSDT",
    side=Side.SELL,
    type=OrderType.STOP_MARKET,
    stop_price=Decimal("59000.0"),
    close_position=True,
    first=Trigger(driven_by=1, driven_on=DrivenOn.FILLED, action=TriggerAction.PLACE_ORDER),
)
S, D = "BTCUSDT", Decimal

# method, arguments, HTTP method, V3 path, V1 path (None: not there), answer, some parameters
CALLS: list[tuple[str, dict, str, str | None, str | None, Any, dict[str, str]]] = [
    ("ping", {}, "GET", "v3/ping", "v1/ping", {}, {}),
    ("server_time", {}, "GET", "v3/time", "v1/time", {"serverTime": 5}, {}),
    ("exchange_info", {}, "GET", "v3/exchangeInfo", "v1/exchangeInfo", payloads.EXCHANGE_INFO, {}),
    (
        "depth", {"symbol": S, "limit": 5}, "GET", "v3/depth", "v1/depth",
        {"lastUpdateId": 1, "E": 1, "T": 1, "bids": [["1", "2"]], "asks": []}, {"limit": "5"},
    ),
    (
        "trades", {"symbol": S}, "GET", "v3/trades", "v1/trades",
        [{"id": 1, "price": "1", "qty": "1", "quoteQty": "1", "time": 1, "isBuyerMaker": True}],
        {"symbol": S},
    ),
    (
        "historical_trades", {"symbol": S, "from_id": 3}, "GET", "v3/historicalTrades", "v1/historicalTrades",
        [], {"fromId": "3"},
    ),
    (
        "agg_trades", {"symbol": S, "start_ms": 1, "end_ms": 2}, "GET", "v3/aggTrades", "v1/aggTrades",
        [{"a": 1, "p": "1", "q": "1", "f": 1, "l": 1, "T": 1, "m": True}], {"startTime": "1", "endTime": "2"},
    ),
    ("klines", {"symbol": S, "interval": "1m"}, "GET", "v3/klines", "v1/klines", [KLINE], {"interval": "1m"}),
    (
        "index_price_klines", {"pair": S, "interval": "1m"}, "GET", "v3/indexPriceKlines",
        "v1/indexPriceKlines", [KLINE], {"pair": S},
    ),
    (
        "mark_price_klines", {"symbol": S, "interval": "1M", "limit": 9}, "GET", "v3/markPriceKlines",
        "v1/markPriceKlines", [KLINE], {"limit": "9", "interval": "1M"},
    ),
    ("premium_index", {}, "GET", "v3/premiumIndex", "v1/premiumIndex", [], {}),
    (
        "funding_rate", {"symbol": S, "limit": 2}, "GET", "v3/fundingRate", "v1/fundingRate",
        [{"symbol": S, "fundingRate": "0.0001", "fundingTime": 1}], {"limit": "2"},
    ),
    (
        "funding_info", {}, "GET", "v3/fundingInfo", "v1/fundingInfo",
        [{"symbol": S, "interestRate": "0.0001", "time": 1, "fundingIntervalHours": 8,
          "fundingFeeCap": 0.03, "fundingFeeFloor": -0.03}], {},
    ),
    ("ticker_24hr", {"symbol": S}, "GET", "v3/ticker/24hr", "v1/ticker/24hr", TICKER, {"symbol": S}),
    (
        "ticker_price", {}, "GET", "v3/ticker/price", "v1/ticker/price",
        [{"symbol": S, "price": "1", "time": 1}], {},
    ),
    ("book_ticker", {}, "GET", "v3/ticker/bookTicker", "v1/ticker/bookTicker", [], {}),
    (
        "index_references", {"symbol": S}, "GET", "v3/indexreferences", "v3/indexreferences",
        {"symbol": S, "time": 1, "references": [{"exchange": "x", "symbol": S, "weight": "0.5"}]}, {},
    ),
    (
        "asset_logos", {}, "GET", "v3/common/asset/all-asset-logo", "v3/common/asset/all-asset-logo",
        [{"assetCode": "USDT", "logoUrl": "u"}], {},
    ),
    (
        "new_order",
        {"symbol": S, "side": Side.BUY, "type": OrderType.LIMIT, "quantity": D("1"), "price": D("2.50"),
         "time_in_force": TimeInForce.GTX, "peg_price_type": "QUEUE_1", "peg_offset": D("-0.1")},
        "POST", "v3/order", "v1/order", ORDER,
        {"price": "2.5", "pegPriceType": "QUEUE_1", "pegOffset": "-0.1", "timeInForce": "GTX"},
    ),
    (
        "test_order", {"symbol": S, "side": Side.BUY, "type": OrderType.MARKET, "quantity": D("1")},
        "POST", None, "v1/order/test", {}, {"type": "MARKET"},
    ),
    (
        "modify_order", {"symbol": S, "order_id": 7, "quantity": D("1"), "price": D("2")},
        "PUT", "v3/order", None, ORDER, {"orderId": "7", "quantity": "1", "price": "2"},
    ),
    ("get_order", {"symbol": S, "order_id": 7}, "GET", "v3/order", "v1/order", ORDER, {"orderId": "7"}),
    (
        "cancel", {"symbol": S, "orig_client_order_id": "a:b"}, "DELETE", "v3/order", "v1/order", ORDER,
        {"origClientOrderId": "a:b"},
    ),
    (
        "guarded_cancel", {"symbol": S, "nonce_us": 5, "order_id": 7}, "DELETE", "v3/guardedCancelOrder",
        None, ORDER, {"orderId": "7"},
    ),
    (
        "cancel_open_orders", {"symbol": S}, "DELETE", "v3/allOpenOrders", "v1/allOpenOrders",
        {"code": "200", "msg": "done"}, {"symbol": S},
    ),
    (
        "cancel_batch_orders", {"symbol": S, "order_ids": [1, 2]}, "DELETE", "v3/batchOrders",
        "v1/batchOrders", [ORDER, {"code": -2011, "msg": "Unknown order sent."}], {"orderIdList": "[1,2]"},
    ),
    (
        "guarded_cancel_batch", {"symbol": S, "nonce_us": 5, "orig_client_order_ids": ["a"]}, "DELETE",
        "v3/guardedBatchOrders", None, [ORDER], {"origClientOrderIdList": '["a"]'},
    ),
    (
        "countdown_cancel_all", {"symbol": S, "countdown_ms": 100}, "POST", "v3/countdownCancelAll",
        "v1/countdownCancelAll", {"symbol": S, "countdownTime": "100"}, {"countdownTime": "100"},
    ),
    ("open_order", {"symbol": S, "order_id": 7}, "GET", "v3/openOrder", "v1/openOrder", ORDER, {}),
    ("get_open_orders", {}, "GET", "v3/openOrders", "v1/openOrders", [ORDER], {}),
    (
        "all_orders", {"symbol": S, "order_id": 7, "limit": 3}, "GET", "v3/allOrders", "v1/allOrders",
        [ORDER], {"orderId": "7", "limit": "3"},
    ),
    (
        "user_trades", {"symbol": S, "from_id": 7}, "GET", "v3/userTrades", "v1/userTrades",
        [payloads.user_trade(1, 1)], {"fromId": "7"},
    ),
    ("noop", {"nonce_us": 5}, "POST", "v3/noop", None, ACK, {}),
    (
        "chase", {"symbol": S, "side": Side.BUY, "quantity": D("0.10"), "chase_offset": D("0.1")}, "POST",
        "v3/chase", None, STRATEGY | {"strategyType": "CHASE", "failureCode": 0, "failureReason": ""},
        {"quantityUnit": "BASE", "quantity": "0.1", "chaseOffset": "0.1", "chaseOffsetType": "ABSOLUTE"},
    ),
    (
        "place_strategy_order", {"strategy_type": StrategyType.OTO, "legs": [LEG, EXIT]}, "POST",
        "v3/placeStrategyOrder", None, STRATEGY, {"strategyType": "OTO"},
    ),
    (
        "update_strategy_order", {"strategy_id": 1, "strategy_type": StrategyType.OCO, "legs": [LEG, EXIT]},
        "POST", "v3/updateStrategyOrder", None, [STRATEGY], {"strategyId": "1"},
    ),
    (
        "strategy_open_order", {"strategy_type": StrategyType.OTO, "client_strategy_id": "s"}, "GET",
        "v3/strategyOpenOrder", None, STRATEGY | {"subOrders": [{"strategySubId": "1"}]},
        {"clientStrategyId": "s"},
    ),
    (
        "strategy_history_order", {"strategy_type": StrategyType.OTO, "strategy_id": 1}, "GET",
        "v3/strategyHistoryOrder", None, [STRATEGY], {"strategyId": "1"},
    ),
    ("balance", {}, "GET", "v3/balance", "v2/balance", [BALANCE], {}),
    ("account", {}, "GET", "v3/accountWithJoinMargin", "v4/account", payloads.account(), {}),
    (
        "position_risk", {"symbol": S}, "GET", "v3/positionRisk", "v2/positionRisk", [payloads.position()],
        {"symbol": S},
    ),
    (
        "change_leverage", {"symbol": S, "leverage": 5}, "POST", "v3/leverage", "v1/leverage",
        {"leverage": 5, "maxNotionalValue": "1", "symbol": S}, {"leverage": "5"},
    ),
    (
        "change_margin_type", {"symbol": S, "margin_type": MarginType.CROSSED}, "POST", "v3/marginType",
        "v1/marginType", ACK, {"marginType": "CROSSED"},
    ),
    (
        "change_position_margin",
        {"symbol": S, "amount": D("100"), "add": False, "position_side": PositionSide.LONG}, "POST",
        "v3/positionMargin", "v1/positionMargin", {"amount": 100.0, "code": 200, "msg": "ok", "type": 2},
        {"type": "2", "amount": "100", "positionSide": "LONG"},
    ),
    (
        "position_margin_history", {"symbol": S, "added": True}, "GET", "v3/positionMargin/history",
        "v1/positionMargin/history",
        [{"amount": "1", "asset": "USDT", "symbol": S, "time": 1, "type": 1, "positionSide": "BOTH"}],
        {"type": "1"},
    ),
    ("leverage_brackets", {"symbol": S}, "GET", "v3/leverageBracket", "v1/leverageBracket", BRACKETS, {}),
    (
        "position_mode", {}, "GET", "v3/positionSide/dual", "v1/positionSide/dual",
        {"dualSidePosition": True}, {},
    ),
    (
        "change_position_mode", {"hedge": False}, "POST", "v3/positionSide/dual", "v1/positionSide/dual", ACK,
        {"dualSidePosition": "false"},
    ),
    (
        "multi_assets_mode", {}, "GET", "v3/multiAssetsMargin", "v1/multiAssetsMargin",
        {"multiAssetsMargin": False}, {},
    ),
    (
        "change_multi_assets_mode", {"enabled": True}, "POST", "v3/multiAssetsMargin", "v1/multiAssetsMargin",
        ACK, {"multiAssetsMargin": "true"},
    ),
    ("stp_mode", {}, "GET", "v3/stpMode", None, {"stpMode": "EXPIRE_MAKER"}, {}),
    (
        "change_stp_mode", {"mode": SelfTradePrevention.EXPIRE_BOTH}, "POST", "v3/stpMode", None, ACK,
        {"stpMode": "EXPIRE_BOTH"},
    ),
    (
        "commission_rate", {"symbol": S}, "GET", "v3/commissionRate", "v1/commissionRate",
        {"symbol": S, "makerCommissionRate": "0", "takerCommissionRate": "0.0004"}, {},
    ),
    (
        "adl_quantile", {}, "GET", "v3/adlQuantile", "v1/adlQuantile",
        [{"symbol": S, "adlQuantile": {"LONG": 1, "SHORT": 2, "HEDGE": 0}}], {},
    ),
    (
        "force_orders", {"auto_close_type": "ADL"}, "GET", "v3/forceOrders", "v1/forceOrders", [ORDER],
        {"autoCloseType": "ADL"},
    ),
    (
        "income", {"income_type": "FUNDING_FEE"}, "GET", "v3/income", "v1/income", [payloads.income(1, 1)],
        {"incomeType": "FUNDING_FEE"},
    ),
    (
        "remaining_openable_notional", {"symbol": S, "leverage": 5}, "GET", None,
        "v1/remainingOpenableNotionalValue", {"remainingOpenableNotionalValue": 12.5}, {"leverage": "5"},
    ),
    (
        "transfer", {"asset": "USDT", "amount": D("5"), "to_spot": True, "client_tran_id": "t1"}, "POST",
        "v3/asset/wallet/transfer", "v1/asset/wallet/transfer", {"tranId": 1, "status": "SUCCESS"},
        {"kindType": "FUTURE_SPOT", "clientTranId": "t1"},
    ),
    ("market_maker_protection", {}, "GET", "v3/mmp", None, [MMP], {}),
    (
        "set_market_maker_protection", {"symbol": S, "window_ms": 1, "frozen_ms": 2, "qty_limit": D("3")},
        "POST", "v3/mmp", None, True, {"windowTimeInMilliseconds": "1", "qtyLimit": "3"},
    ),
    ("delete_market_maker_protection", {"symbol": S}, "DELETE", "v3/mmp", None, True, {"symbol": S}),
    ("reset_market_maker_protection", {"symbol": S}, "POST", "v3/mmpReset", None, True, {"symbol": S}),
    ("new_listen_key", {}, "POST", "v3/listenKey", "v1/listenKey", {"listenKey": "k"}, {}),
    ("keep_listen_key", {"listen_key": "k"}, "PUT", "v3/listenKey", "v1/listenKey", {}, {"listenKey": "k"}),
    ("close_listen_key", {"listen_key": "k"}, "DELETE", "v3/listenKey", "v1/listenKey", {}, {}),
    ("agents", {}, "GET", "v3/agent", None, [{"agentAddress": "0x1", "canWithdraw": False}], {}),
    ("builders", {}, "GET", "v3/builder", None, [{"builderAddress": "0x1", "maxFeeRate": 0.001}], {}),
    (
        "migration_history", {"batch_id": "b1"}, "GET", "v3/asset/migrateUser/history", None, MIGRATION,
        {"batchId": "b1"},
    ),
    (
        "announcements", {"page": 2, "size": 5}, "GET", "v3/announcement/direct", None,
        {"total": 1, "rows": [ANNOUNCEMENT]}, {"page": "2", "size": "5"},
    ),
    (
        "announcement", {"announcement_id": 2}, "GET", "v3/announcement/directById", None, ANNOUNCEMENT,
        {"id": "2"},
    ),
    (
        "withdraw_info", {}, "POST", "v3/aster/user-withdraw-info", "aster/user-withdraw-info",
        WITHDRAWABLE, {},
    ),
    (
        "deposit_withdraw_history", {}, "POST", "v3/aster/deposit-withdraw-history",
        "aster/deposit-withdraw-history",
        [{"id": "1", "type": "DEPOSIT", "asset": "USDT", "amount": "1", "state": "SUCCESS", "time": 1}], {},
    ),
    (
        "sub_accounts", {}, "GET", "v3/getSubAccountList", None,
        [{"accountId": 1, "subAccountName": "", "parentAccount": True}], {},
    ),
    (
        "builder_user_accounts", {"user_addresses": ["0x1", "0x2"], "symbol": S, "page": 2, "limit": 3},
        "GET",
        "v3/builder/userAccounts", None, page_of(USER_ACCOUNT),
        {"userAddresses": "0x1,0x2", "symbol": S, "page": "2", "limit": "3"},
    ),
    (
        "builder_user_open_orders", {"symbol": S}, "GET", "v3/builder/userOpenOrders", None,
        page_of(USER_ORDER), {"symbol": S},
    ),
    (
        "builder_user_balances", {}, "GET", "v3/builder/userBalances", None,
        page_of({"address": "0x1", "asset": "USDT", "walletBalance": "2", "price": "1", "balanceInUsd": "2"}),
        {},
    ),
    (
        "builder_user_position_risk", {"symbol": S}, "GET", "v3/builder/userPositionRisk", None,
        page_of(payloads.position() | {"address": "0x1"}), {"symbol": S},
    ),
    (
        "builder_user_commission_rates", {"symbol": S}, "GET", "v3/builder/userCommissionRates", None,
        page_of(
            {"address": "0x1", "symbol": S, "makerCommissionRate": "0", "takerCommissionRate": "0.0004"}
        ), {"symbol": S},
    ),
    (
        "builder_user_trades", {"start_ms": 1, "end_ms": 2}, "GET", "v3/builder/userTrades", None,
        page_of(USER_TRADE), {"startTime": "1", "endTime": "2"},
    ),
    (
        "builder_user_all_orders", {"symbol": S, "start_ms": 1}, "GET", "v3/builder/userAllOrders", None,
        page_of(USER_ORDER | {"updateTime": 2, "origType": "LIMIT"}), {"symbol": S, "startTime": "1"},
    ),
    (
        "builder_approved_users", {"start_ms": 1}, "GET", "v3/builder/approvedUserList", None,
        [{"userAddress": "0x1", "builderAddress": "0x2", "maxFeeRate": 0.0001, "builderName": "b",
          "approveTime": 3}], {"startTime": "1"},
    ),
]  # fmt: skip
IDS = [row[0] for row in CALLS]
PUBLIC = {row[0] for row in CALLS[:18]}


def _recovered(message: str, signature: str, chain_id: int) -> str:
    data = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Message": [{"name": "msg", "type": "string"}],
        },
        "primaryType": "Message",
        "domain": {
            "name": "AsterSignTransaction",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": {"msg": message},
    }
    return Account.recover_message(encode_typed_data(full_message=data), signature="0x" + signature)


@pytest.mark.parametrize(("method", "arguments", "verb", "v3", "v1", "answer", "sent"), CALLS, ids=IDS)
async def test_each_call_in_v3(method, arguments, verb, v3, v1, answer, sent) -> None:
    transport = CapturingTransport(answer)
    client = _client(transport)
    if v3 is None:
        with pytest.raises(MissingCredentials):
            await getattr(client, method)(**arguments)
        return
    await getattr(client, method)(**arguments)
    (request,) = transport.requests
    assert (request.method, urlsplit(request.url).path) == (verb, f"/fapi/{v3}")
    assert sent.items() <= _parameters(request).items()
    assert (request.body is None) is (verb == "GET")
    message, _, signature = _text(request).rpartition("&signature=")
    if method in PUBLIC:
        assert signature == _text(request)
        assert "signer" not in _text(request)
    else:
        assert _recovered(message, signature, 1666) == vectors.AGENT_ADDRESS
    await client.close()


@pytest.mark.parametrize(("method", "arguments", "verb", "v3", "v1", "answer", "sent"), CALLS, ids=IDS)
async def test_each_call_in_v1(method, arguments, verb, v3, v1, answer, sent) -> None:
    transport = CapturingTransport(answer)
    client = _client(transport, "v1")
    if v1 is None:
        with pytest.raises(MissingCredentials):
            await getattr(client, method)(**arguments)
        return
    await getattr(client, method)(**arguments)
    (request,) = transport.requests
    assert (request.method, urlsplit(request.url).path) == (verb, f"/fapi/{v1}")
    assert sent.items() <= _parameters(request).items()
    unsigned = method in PUBLIC or "listen_key" in method
    assert ("signature=" in _text(request)) is not unsigned
    needs_key = method not in PUBLIC or method == "historical_trades"
    assert ("X-MBX-APIKEY" in request.headers) is needs_key
    await client.close()


def test_the_table_holds_every_call_of_the_venue() -> None:
    own = {"approve_agent", "update_agent", "delete_agent", "approve_builder", "update_builder"}
    own |= {"delete_builder", "migrate_assets", "register_and_approve_agent"}
    own |= {"new_batch_orders", "modify_batch_orders", "bind_sub_account", "create_sub_account"}
    own |= {"update_sub_account", "sub_account_transfer"}
    listed = {
        name
        for base in AsterClient.__mro__
        if base.__module__.startswith(calls.__name__)
        for name, member in vars(base).items()
        if inspect.iscoroutinefunction(member) and not name.startswith("_")
    }
    assert listed - own == set(IDS)


MANAGEMENT = [
    (
        "approve_agent", {"agent_name": "b", "agent_address": "0x1", "expires_ms": 9}, "POST", "approveAgent",
        "agentName",
    ),
    (
        "update_agent",
        {"agent_address": "0x1", "can_spot_trade": True, "can_perp_trade": True, "can_withdraw": False},
        "POST", "updateAgent", "agentAddress",
    ),
    ("delete_agent", {"agent_address": "0x1"}, "DELETE", "agent", "agentAddress"),
    (
        "approve_builder", {"builder": "0x1", "max_fee_rate": D("0.0010"), "builder_name": "n"}, "POST",
        "approveBuilder", "maxFeeRate",
    ),
    (
        "update_builder", {"builder": "0x1", "max_fee_rate": D("0.001")}, "POST", "updateBuilder",
        "maxFeeRate",
    ),
    ("delete_builder", {"builder": "0x1"}, "DELETE", "builder", "builder"),
    ("migrate_assets", {}, "POST", "asset/migrateUser", "asterChain"),
    (
        "register_and_approve_agent", {"agent_name": "b", "agent_address": "0x1", "expires_ms": 9}, "POST",
        "registerAndApproveAgent", "canPerpTrade",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "verb", "path", "parameter"), MANAGEMENT)
async def test_management_calls_are_the_main_wallets(method, arguments, verb, path, parameter) -> None:
    transport = CapturingTransport(ACK)
    wallet, agent = _client(transport, "wallet"), _client(CapturingTransport(), "v3")
    await getattr(wallet, method)(**arguments)
    (request,) = transport.requests
    sent = dict(parse_qsl(_text(request), keep_blank_values=True))
    assert (request.method, urlsplit(request.url).path) == (verb, f"/fapi/v3/{path}")
    assert parameter in sent
    assert sent["user"] == vectors.USER_ADDRESS
    assert len(sent["signature"]) == 130
    if method == "register_and_approve_agent":
        message, _, signature = _text(request).rpartition("&signature=")
        assert _recovered(message, signature, 56) == vectors.USER_ADDRESS
    with pytest.raises(MissingCredentials, match="main wallet"):
        await getattr(agent, method)(**arguments)
    await wallet.close()
    await agent.close()


async def test_an_agent_that_can_withdraw_needs_addresses() -> None:
    wallet = _client(CapturingTransport(ACK), "wallet")
    with pytest.raises(ValueError, match="ip_whitelist"):
        await wallet.approve_agent("b", "0x1", expires_ms=9, can_withdraw=True)
    await wallet.close()


async def test_a_batch_is_strict_json_and_keeps_refusals_in_place() -> None:
    transport = CapturingTransport([ORDER, {"code": -2019, "msg": "Margin is insufficient."}])
    client = _client(transport)
    orders = [
        order_parameters(
            symbol=S, side=Side.BUY, type=OrderType.LIMIT, quantity=D("1.0"), price=D("2"), reduce_only=True,
            time_in_force=TimeInForce.GTC, new_client_order_id='q"1',
        )
    ] * 2  # fmt: skip
    placed, refused = await client.new_batch_orders(orders)
    assert isinstance(placed, OrderRecord)
    assert refused == BatchRefusal(code=-2019, msg="Margin is insufficient.")
    sent = json.loads(_parameters(transport.requests[0])["batchOrders"])
    assert sent[0] == {
        "symbol": S, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2",
        "newClientOrderId": 'q"1', "reduceOnly": "true",
    }  # fmt: skip
    await client.modify_batch_orders([{"symbol": S, "orderId": 5, "quantity": D("1"), "price": D("2")}])
    assert transport.requests[1].method == "PUT"
    assert json.loads(_parameters(transport.requests[1])["batchOrders"])[0]["orderId"] == "5"
    for wrong in ([], orders * 3):
        with pytest.raises(ValueError, match="1 to 5"):
            await client.new_batch_orders(wrong)
    await client.close()


async def test_an_unreadable_element_leaves_the_batch_unknown() -> None:
    client = _client(CapturingTransport([ORDER, {"symbol": S}]))
    with pytest.raises(UnknownOutcome, match=r"\[1\]"):
        await client.new_batch_orders([order_parameters(symbol=S, side="BUY", type="MARKET")] * 2)
    await client.close()


async def test_strategy_legs_on_the_wire() -> None:
    transport = CapturingTransport(STRATEGY)
    client = _client(transport)
    await client.place_strategy_order(
        StrategyType.OTO, [LEG, EXIT], client_strategy_id="s1", builder="0xb", fee_rate=Decimal("0.0001")
    )
    sent = _parameters(transport.requests[0])
    assert (sent["clientStrategyId"], sent["builder"], sent["feeRate"]) == ("s1", "0xb", "0.0001")
    legs = json.loads(sent["subOrderList"])
    assert legs[0] == {
        "strategySubId": "1", "securityType": "USDT_FUTURES", "symbol": S, "side": "BUY", "type": "MARKET",
        "quantity": "0.01",
    }  # fmt: skip
    assert (
        legs[1] | {"firstDrivenId": "1", "firstDrivenOn": "FILLED", "firstTrigger": "PLACE_ORDER"} == legs[1]
    )
    assert (legs[1]["closePosition"], legs[1]["stopPrice"]) == ("true", "59000")
    with pytest.raises(ValueError, match="2 legs"):
        await client.place_strategy_order(StrategyType.OTO, [LEG])
    with pytest.raises(ValueError, match="cannot be IOC"):
        await client.place_strategy_order(
            StrategyType.OCO,
            [LEG, StrategyLeg(symbol=S, side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.IOC)],
        )
    with pytest.raises(ValueError, match="exactly one"):
        await client.strategy_open_order(StrategyType.OTO)
    await client.close()


async def test_calls_that_name_no_order_are_refused_here() -> None:
    client = _client(CapturingTransport())
    with pytest.raises(ValueError, match="order_id"):
        await client.cancel(S)
    with pytest.raises(ValueError, match="only one"):
        await client.cancel_batch_orders(S)
    with pytest.raises(ValueError, match="at most 10"):
        await client.cancel_batch_orders(S, order_ids=list(range(11)))
    await client.close()


SPOT_ORDER = {
    "symbol": S, "orderId": 1, "clientOrderId": "c", "status": "NEW", "side": "BUY", "type": "LIMIT",
    "price": "1", "origQty": "1", "executedQty": "0", "updateTime": 1,
}  # fmt: skip
SPOT = [
    ("exchange_info", {}, "GET", "exchangeInfo", payloads.EXCHANGE_INFO | {"symbols": []}),
    ("depth", {"symbol": S}, "GET", "depth", {"lastUpdateId": 1, "bids": [], "asks": []}),
    ("klines", {"symbol": S, "interval": "1m"}, "GET", "klines", [KLINE]),
    ("book_ticker", {"symbol": S}, "GET", "ticker/bookTicker", []),
    ("account", {}, "GET", "account", {"balances": [{"asset": "USDT", "free": "1", "locked": "0"}]}),
    (
        "new_order",
        {"symbol": S, "side": Side.BUY, "order_type": OrderType.MARKET, "quote_quantity": D("10")},
        "POST", "order", SPOT_ORDER,
    ),
    ("get_order", {"symbol": S, "order_id": 1}, "GET", "order", SPOT_ORDER),
    ("cancel", {"symbol": S, "order_id": 1}, "DELETE", "order", SPOT_ORDER),
    ("cancel_open_orders", {"symbol": S}, "DELETE", "allOpenOrders", ACK),
    ("open_orders", {}, "GET", "openOrders", [SPOT_ORDER]),
    ("open_order", {"symbol": S, "order_id": 1}, "GET", "openOrder", SPOT_ORDER),
    ("all_orders", {"symbol": S, "order_id": 1}, "GET", "allOrders", [SPOT_ORDER]),
    (
        "commission_rate", {"symbol": S}, "GET", "commissionRate",
        {"symbol": S, "makerCommissionRate": "0.00005", "takerCommissionRate": "0.0004"},
    ),
    (
        "trades", {"symbol": S}, "GET", "trades",
        [{"id": 1, "price": "1", "qty": "1", "baseQty": "1", "time": 1, "isBuyerMaker": True}],
    ),
    ("ticker_price", {}, "GET", "ticker/price", [{"symbol": S, "price": "1", "time": 1}]),
    ("new_listen_key", {}, "POST", "listenKey", {"listenKey": "k"}),
    ("keep_listen_key", {"listen_key": "k"}, "PUT", "listenKey", {}),
    ("close_listen_key", {"listen_key": "k"}, "DELETE", "listenKey", {}),
    (
        "user_trades", {"symbol": S}, "GET", "userTrades",
        [{"symbol": S, "id": 1, "orderId": 1, "price": "1", "qty": "1", "commission": "0",
          "commissionAsset": "USDT", "time": 1}],
    ),
    (
        "transfer", {"asset": "USDT", "amount": D("1"), "to_futures": True, "client_tran_id": "t"}, "POST",
        "asset/wallet/transfer", {"tranId": 1, "status": "SUCCESS"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "verb", "path", "answer"), SPOT)
@pytest.mark.parametrize("scheme", ["v3", "v1"])
async def test_spot_calls_use_the_spot_paths_and_their_own_limits(
    scheme, method, arguments, verb, path, answer
) -> None:
    transport = CapturingTransport(answer)
    client = _client(transport, scheme)
    await getattr(client.spot, method)(**arguments)
    (request,) = transport.requests
    assert (request.method, urlsplit(request.url).path) == (verb, f"/api/{scheme}/{path}")
    assert client.rest.limiter.used_weight == 0
    assert client.rest.spot_limiter.used_weight > 0
    await client.close()


NAMES = st.from_regex(r"[a-zA-Z]{1,12}", fullmatch=True).filter(
    lambda name: name not in ("nonce", "user", "signer", "signature")
)
VALUES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.integers(-(10**12), 10**12),
    st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=6), st.sampled_from(["GET", "POST", "PUT", "DELETE"]))
def test_any_request_round_trips_through_an_independent_verifier(
    parameters: dict[str, Any], verb: str
) -> None:
    transport = CapturingTransport({})
    client = _client(transport)
    asyncio.run(client.request(verb, "anything", parameters))
    message, _, signature = _text(transport.requests[0]).rpartition("&signature=")
    assert _recovered(message, signature, 1666) == vectors.AGENT_ADDRESS
    received = dict(parse_qsl(message, keep_blank_values=True))
    for name, value in parameters.items():
        if isinstance(value, bool):
            assert received[name] == ("true" if value else "false")
        elif isinstance(value, str):
            assert received[name] == value
        else:
            assert Decimal(received[name]) == value


# --- documentation -------------------------------------------------------------------------------------


def _public_methods() -> list[tuple[str, Any]]:
    client = [(f"AsterClient.{n}", m) for n, m in inspect.getmembers(AsterClient, inspect.isfunction)]
    spot = [(f"SpotCalls.{n}", m) for n, m in inspect.getmembers(SpotCalls, inspect.isfunction)]
    return [(name, method) for name, method in client + spot if not name.split(".")[1].startswith("_")]


@pytest.mark.parametrize(("name", "method"), _public_methods(), ids=[n for n, _ in _public_methods()])
def test_every_public_method_documents_parameters_errors_weight_and_section(name: str, method: Any) -> None:
    text = " ".join((method.__doc__ or "").split())
    assert re.search(r"[Rr]aises|[Ee]rrors as", text), f"{name} names no errors"
    assert re.search(r"[Ww]eight|[Cc]osts", text), f"{name} names no weight"
    assert re.search(r"[Ss]ections? \d|no section", text), f"{name} names no section"
    for parameter in list(inspect.signature(method).parameters)[1:]:
        assert f"`{parameter}`" in text, f"{name} does not explain {parameter}"
