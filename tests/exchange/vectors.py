"""Vectors of the protocol reference, section 2. The keys are throw-away ones made for it."""

AGENT_KEY = "11" * 31 + "a5"
AGENT_ADDRESS = "0x5eDcBC07dCDa1079E06Bf434B17836D7A762f6FB"
USER_KEY = "22" * 31 + "b6"
USER_ADDRESS = "0x7930617D99E7f873D3A627A0091d2f7DD5aD4050"

HMAC = [
    (
        "documentation",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943",
        "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    (
        "documented order",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=9000&recvWindow=5000"
        "&timestamp=1591702613943",
        "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
        "ec11dcc17e67e47f0d3c3f513dfe9062307e37619c5c82ebaa8fe0bdf3d59519",
    ),
    (
        "query and body without a joint",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
        "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
        "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
    (
        "get",
        "symbol=BTCUSDT&orderId=42&recvWindow=5000&timestamp=1770000000000",
        "a5" * 32,
        "7240494f1ad41e849443ccbf55be79121beb34c35d0924d602756952958e79b4",
    ),
    (
        "post",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=60000.1"
        "&newClientOrderId=vec%3A1%2Fa+b&recvWindow=5000&timestamp=1770000000000",
        "a5" * 32,
        "cbe3d250c3b8b829e2da20947f5291c5739932ac1b7f5494da960762569a37c2",
    ),
    (
        "mixed",
        "symbol=BTCUSDTorderId=42&recvWindow=5000&timestamp=1770000000000",
        "a5" * 32,
        "13d620c16c1203e954e935cdff1e662d03dbf30858dfc4b4825c06b338622091",
    ),
    (
        "official connector",
        "symbol=BTCUSDT&side=SELL&type=LIMIT&quantity=0.001&timeInForce=GTC&price=59808.02"
        "&newClientOrderId=a+b%2Fc%3Ad@e&timestamp=1770000000000",
        "S" * 64,
        "36572dd2a81e8a209e0305fe668f3d9346f831c5529d6691ee0f302dcf229916",
    ),
]

_ORDER = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=60000.1"
    "&newClientOrderId=vec%3A1%2Fa&nonce=1770000000000001"
    f"&user={USER_ADDRESS}&signer={AGENT_ADDRESS}"
)
MESSAGES = [
    (
        "order on mainnet",
        1666,
        _ORDER,
        "e2a5cedaa709a4b591bb3950bb15715e8991dc44131805fe17cd19376149b87d"
        "06c138ab066302028e072978847f027669820ee72ae82bedae56ee84e9eefac51b",
    ),
    (
        "order on testnet",
        714,
        _ORDER,
        "6b883ae96cfd95f6a23a0b9746e23c93cec325ef816122ff7aa8f230906ce001"
        "7610036c77383732c27ee4656a600816ca16cac6f8ce7ffba4764f41b41bb1131b",
    ),
    (
        "balance",
        1666,
        f"nonce=1770000000000002&user={USER_ADDRESS}&signer={AGENT_ADDRESS}",
        "e1603466074ac4086bb70b97f1375f8b9efe1259ef902bb9195648d22828f395"
        "58fc91fcb94f42cb08c3ad2d1b3ce460157191b3d7e9f95c46f566381bca81871c",
    ),
    (
        "noop",
        1666,
        f"nonce=1770000000000001&user={USER_ADDRESS}&signer={AGENT_ADDRESS}",
        "933742994f67124802aa4ff0b608cb8994039f3bc97dc4530177af34ec7881ba"
        "3bba6737c15beffd51f57cb2a2e65cb50ddb6f63e3f9be7af0c5b48c1fe6fcec1c",
    ),
    (
        "as another client orders its parameters",
        1666,
        "nonce=1770000000000000&user=0x5edcbc07dcda1079e06bf434b17836d7a762f6fb"
        "&signer=0x5edcbc07dcda1079e06bf434b17836d7a762f6fb&symbol=BTCUSDT&side=BUY"
        "&newClientOrderId=vec%3A1%2Fa%20b&type=LIMIT&quantity=0.001&price=60000.1&timeInForce=GTC",
        "5a27c38f6d9290af418c01c8aba062004420117bedc68fbd8ea8ad90844082ca"
        "0a57f35541e7c98be191ab9de39ea17cce3e960e9b7e3ad09b8fc8ac4078aa301c",
    ),
]

APPROVE_AGENT = {
    "agentName": "bot1",
    "agentAddress": AGENT_ADDRESS,
    "ipWhitelist": "",
    "expired": 1967945395040,
    "canSpotTrade": False,
    "canPerpTrade": True,
    "canWithdraw": False,
    "asterChain": "Mainnet",
    "user": USER_ADDRESS,
    "nonce": 1770000000000003,
}
APPROVE_AGENT_SIGNATURE = (
    "960c51bb2665475320458dcd57cda8adc48b278d529857f933c3fad8710534fc"
    "3913f70b66cd2601343e1a59c86d46ac5525077f3c1a995214c670f60cad2f6a1b"
)
