"""The venue's documented endpoints against those this client has: none is missing, none is made up."""

import importlib
import pkgutil
from pathlib import Path

from aster_operator.exchange import calls
from aster_operator.exchange.endpoint import Endpoint, Product

# Both versions, then those of one version alone: the lists of the venue's V1 and V3 pages, with what its
# changelog and its examples add (protocol reference, section 4). Withdrawals are left out on purpose: this
# client moves no money off the venue.
BOTH = """
GET ping time exchangeInfo depth trades historicalTrades aggTrades klines indexPriceKlines markPriceKlines
GET premiumIndex fundingRate fundingInfo ticker/24hr ticker/price ticker/bookTicker
GET positionSide/dual multiAssetsMargin order openOrder openOrders allOrders positionMargin/history
GET leverageBracket commissionRate adlQuantile forceOrders userTrades income
POST positionSide/dual multiAssetsMargin order batchOrders countdownCancelAll leverage marginType
POST positionMargin asset/wallet/transfer listenKey
PUT listenKey
DELETE order allOpenOrders batchOrders listenKey
"""
V1_ALONE = """
GET v2/balance v2/positionRisk v4/account v1/remainingOpenableNotionalValue
POST v1/order/test aster/user-withdraw-info aster/deposit-withdraw-history
"""
V3_ALONE = """
GET balance positionRisk accountWithJoinMargin indexreferences common/asset/all-asset-logo stpMode mmp
GET strategyOpenOrder strategyHistoryOrder agent builder getSubAccountList asset/migrateUser/history
GET announcement/direct announcement/directById builder/approvedUserList builder/userAccounts
GET builder/userOpenOrders builder/userBalances builder/userPositionRisk builder/userCommissionRates
GET builder/userTrades builder/userAllOrders
POST stpMode mmp mmpReset noop chase placeStrategyOrder updateStrategyOrder approveAgent updateAgent
POST approveBuilder updateBuilder registerAndApproveAgent sub-accounts/bind createSubAccount
POST updateSubAccount subAccountTransfer asset/migrateUser aster/user-withdraw-info
POST aster/deposit-withdraw-history
PUT order batchOrders
DELETE mmp agent builder guardedCancelOrder guardedBatchOrders
"""
SPOT = """
GET exchangeInfo depth trades klines ticker/price ticker/bookTicker account order openOrder openOrders
GET allOrders userTrades commissionRate
POST order noop asset/wallet/transfer listenKey
PUT listenKey
DELETE order allOpenOrders listenKey
"""


def _listed(text: str, prefix: str) -> set[str]:
    found = set()
    for line in text.strip().splitlines():
        method, *names = line.split()
        found |= {f"{method} {prefix}{name}" for name in names}
    return found


def _known(product: Product) -> tuple[set[str], set[str]]:
    """(V1, V3) of every endpoint the modules of calls declare."""
    v1, v3 = set(), set()
    for info in pkgutil.iter_modules(calls.__path__, f"{calls.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Endpoint) and value.product is product:
                if value.v1 is not None:
                    v1.add(f"{value.method} {value.path(value.v1)}")
                if value.v3 is not None:
                    v3.add(f"{value.method} {value.path(value.v3)}")
    return v1, v3


def test_every_futures_endpoint_of_the_venue_is_a_method() -> None:
    v1, v3 = _known(Product.FUTURES)
    assert v1 == _listed(BOTH, "/fapi/v1/") | _listed(V1_ALONE, "/fapi/")
    assert v3 == _listed(BOTH, "/fapi/v3/") | _listed(V3_ALONE, "/fapi/v3/")


def test_every_spot_endpoint_a_futures_trader_needs_is_a_method() -> None:
    v1, v3 = _known(Product.SPOT)
    assert v3 == _listed(SPOT, "/api/v3/")
    assert v1 == {path.replace("/v3/", "/v1/") for path in v3} - {"POST /api/v1/noop"}


def test_no_endpoint_lies_idle() -> None:
    """Each declared endpoint is used by the module that declares it."""
    for info in pkgutil.iter_modules(calls.__path__, f"{calls.__name__}."):
        module = importlib.import_module(info.name)
        source = Path(module.__file__ or "").read_text()
        for name, value in vars(module).items():
            if isinstance(value, Endpoint):
                assert source.count(name) >= 2, f"{info.name}.{name}"
