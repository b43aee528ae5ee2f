"""Which parameters each endpoint reads, beside those of its signature: `name`, `name*` when mandatory, and a
kind after a colon (text if none)."""

__all__ = ["PARAMETERS"]

_SPAN = "startTime:integer endTime:integer limit:integer"
_ORDER_KEY = "symbol*:symbol orderId:integer origClientOrderId"
_ORDER = (
    "symbol*:symbol side* type* positionSide timeInForce quantity:decimal price:decimal stopPrice:decimal "
    "reduceOnly:flag closePosition:flag activationPrice:decimal callbackRate:decimal workingType "
    "priceProtect:flag newClientOrderId newOrderRespType pegPriceType pegOffset:decimal stpMode builder "
    "feeRate:decimal"
)
_LISTS = "symbol*:symbol orderIdList:list origClientOrderIdList:list"
_AGENT = "canSpotTrade*:flag canPerpTrade*:flag canWithdraw*:flag ipWhitelist"
_WALLET = "asterChain* user* nonce*:integer signatureChainId:integer signature*"
_BUILDER_PAGE = "userAddresses page:integer limit:integer"
_WITHDRAWAL = "chainId*:integer asset* amount*:decimal fee*:decimal receiver* userNonce"
_STRATEGY = "strategyType* strategyId:integer clientStrategyId"
_TRANSFER = "asset* amount*:decimal clientTranId* kindType*"

PARAMETERS: dict[tuple[str, str], str] = {
    ("GET", "ping"): "",
    ("GET", "time"): "",
    ("GET", "exchangeInfo"): "",
    ("GET", "depth"): "symbol*:symbol limit:integer",
    ("GET", "trades"): "symbol*:symbol limit:integer",
    ("GET", "historicalTrades"): "symbol*:symbol limit:integer fromId:integer",
    ("GET", "aggTrades"): f"symbol*:symbol fromId:integer {_SPAN}",
    ("GET", "klines"): f"symbol*:symbol interval* {_SPAN}",
    ("GET", "markPriceKlines"): f"symbol*:symbol interval* {_SPAN}",
    ("GET", "indexPriceKlines"): f"pair*:symbol interval* {_SPAN}",
    ("GET", "premiumIndex"): "symbol:symbol",
    ("GET", "fundingRate"): f"symbol:symbol {_SPAN}",
    ("GET", "fundingInfo"): "symbol:symbol",
    ("GET", "ticker/24hr"): "symbol:symbol",
    ("GET", "ticker/price"): "symbol:symbol",
    ("GET", "ticker/bookTicker"): "symbol:symbol",
    ("GET", "indexreferences"): "symbol*:symbol",
    ("POST", "order"): _ORDER,
    ("POST", "order/test"): _ORDER,
    ("PUT", "order"): f"{_ORDER_KEY} quantity*:decimal price*:decimal",
    ("DELETE", "order"): _ORDER_KEY,
    ("GET", "order"): _ORDER_KEY,
    ("POST", "batchOrders"): "batchOrders*:list",
    ("PUT", "batchOrders"): "batchOrders*:list",
    ("DELETE", "batchOrders"): _LISTS,
    ("DELETE", "allOpenOrders"): "symbol*:symbol",
    ("DELETE", "guardedCancelOrder"): _ORDER_KEY,
    ("DELETE", "guardedBatchOrders"): _LISTS,
    ("POST", "countdownCancelAll"): "symbol*:symbol countdownTime*:integer",
    ("POST", "noop"): "",
    ("GET", "openOrder"): _ORDER_KEY,
    ("GET", "openOrders"): "symbol:symbol",
    ("GET", "allOrders"): f"symbol*:symbol orderId:integer {_SPAN}",
    ("POST", "chase"): "symbol*:symbol side* quantity*:decimal quantityUnit* positionSide reduceOnly:flag "
    "chaseOffset:decimal chaseOffsetType maxChaseOffset:decimal maxChaseOffsetType timeInForce "
    "clientStrategyId",
    (
        "POST",
        "placeStrategyOrder",
    ): "strategyType* subOrderList*:list clientStrategyId builder feeRate:decimal",
    ("POST", "updateStrategyOrder"): "strategyId*:integer strategyType* subOrderList*:list",
    ("GET", "strategyOpenOrder"): _STRATEGY,
    ("GET", "strategyOrder"): _STRATEGY,
    ("GET", "strategyHistoryOrder"): f"{_STRATEGY} {_SPAN}",
    ("GET", "strategyOrder/history"): f"{_STRATEGY} {_SPAN}",
    ("GET", "balance"): "",
    ("GET", "account"): "",
    ("GET", "accountWithJoinMargin"): "",
    ("GET", "positionRisk"): "symbol:symbol",
    ("POST", "leverage"): "symbol*:symbol leverage*:integer",
    ("POST", "marginType"): "symbol*:symbol marginType*",
    ("POST", "positionMargin"): "symbol*:symbol amount*:decimal type*:integer positionSide",
    ("GET", "positionMargin/history"): f"symbol*:symbol type:integer {_SPAN}",
    ("GET", "leverageBracket"): "symbol:symbol",
    ("GET", "positionSide/dual"): "",
    ("POST", "positionSide/dual"): "dualSidePosition*:flag",
    ("GET", "multiAssetsMargin"): "",
    ("POST", "multiAssetsMargin"): "multiAssetsMargin*:flag",
    ("GET", "stpMode"): "",
    ("POST", "stpMode"): "stpMode*",
    ("GET", "commissionRate"): "symbol*:symbol",
    ("GET", "adlQuantile"): "symbol:symbol",
    ("GET", "remainingOpenableNotionalValue"): "symbol*:symbol leverage*:integer",
    ("POST", "mmp"): "symbol*:symbol windowTimeInMilliseconds*:integer frozenTimeInMilliseconds*:integer "
    "qtyLimit:decimal valueLimit:decimal deltaLimit:decimal",
    ("GET", "mmp"): "symbol:symbol",
    ("DELETE", "mmp"): "symbol*:symbol",
    ("POST", "mmpReset"): "symbol*:symbol",
    ("GET", "userTrades"): f"symbol*:symbol fromId:integer {_SPAN}",
    ("GET", "income"): f"symbol:symbol incomeType {_SPAN}",
    ("GET", "forceOrders"): f"symbol:symbol autoCloseType {_SPAN}",
    ("POST", "listenKey"): "",
    ("PUT", "listenKey"): "listenKey",
    ("DELETE", "listenKey"): "listenKey",
    ("POST", "approveAgent"): f"agentName* agentAddress* expired*:integer {_AGENT} {_WALLET}",
    ("POST", "registerAndApproveAgent"): f"agentName* agentAddress* expired*:integer {_AGENT} {_WALLET}",
    ("POST", "updateAgent"): f"agentAddress* {_AGENT} {_WALLET}",
    ("DELETE", "agent"): f"agentAddress* {_WALLET}",
    ("GET", "agent"): "",
    ("POST", "approveBuilder"): f"builder* maxFeeRate*:decimal builderName* {_WALLET}",
    ("POST", "updateBuilder"): f"builder* maxFeeRate*:decimal {_WALLET}",
    ("DELETE", "builder"): f"builder* {_WALLET}",
    ("GET", "builder"): "",
    ("GET", "builder/approvedUserList"): f"{_SPAN} page:integer",
    ("GET", "builder/userAccounts"): f"{_BUILDER_PAGE} symbol:symbol",
    ("GET", "builder/userOpenOrders"): f"{_BUILDER_PAGE} symbol:symbol",
    ("GET", "builder/userBalances"): _BUILDER_PAGE,
    ("GET", "builder/userPositionRisk"): f"{_BUILDER_PAGE} symbol:symbol",
    ("GET", "builder/userCommissionRates"): f"{_BUILDER_PAGE} symbol*:symbol",
    ("GET", "builder/userTrades"): f"userAddresses page:integer {_SPAN}",
    ("GET", "builder/userAllOrders"): f"userAddresses page:integer symbol:symbol {_SPAN}",
    ("POST", "sub-accounts/bind"): "childAddress* name* nonce*:integer user* childSignature* signature*",
    ("POST", "createSubAccount"): "subAccountName* subSourceAddr* nonce*:integer user* signer* "
    "childSignature* signature*",
    ("GET", "getSubAccountList"): "",
    (
        "POST",
        "updateSubAccount",
    ): "subSourceAddr* nonce*:integer user* signer* subAccountName status signature*",
    ("POST", "subAccountTransfer"): "toAccountAddress* asset* amount*:decimal kindType* nonce*:integer user* "
    "signer* fromAccountAddress signature*",
    ("POST", "asset/migrateUser"): _WALLET,
    ("GET", "asset/migrateUser/history"): "batchId*",
    ("POST", "aster/user-withdraw-info"): "",
    ("POST", "aster/deposit-withdraw-history"): "",
    ("POST", "aster/user-withdraw"): f"{_WITHDRAWAL} userSignature*",
    ("POST", "aster/user-solana-withdraw"): f"{_WITHDRAWAL} userSignature",
    ("GET", "aster/withdraw/estimateFee"): "chainId*:integer asset*",
    ("GET", "transactionHistory"): f"asset type {_SPAN}",
    ("POST", "asset/sendToAddress"): "asset* amount*:decimal toAddress* clientTranId",
    ("GET", "announcement/direct"): "page:integer size:integer",
    ("GET", "announcement/directById"): "id*:integer",
    ("POST", "asset/wallet/transfer"): _TRANSFER,
}
