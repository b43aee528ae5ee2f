"""Both schemes against the vectors of protocol reference, section 2, and every way to be refused."""

from urllib.parse import quote, urlencode

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server.accounts import (
    NONCES_KEPT,
    Agent,
    ApiKey,
    NonceWindow,
    demo_accounts,
)
from aster_operator.simulator.server.eip712 import (
    checksum_address,
    domain_separator,
    message_digest,
    recover_address,
    struct_digest,
)
from simulator_server.trader import Trader, hmac_hex, refusal_code, sign_message

AGENT = "0x5eDcBC07dCDa1079E06Bf434B17836D7A762f6FB"
USER = "0x7930617D99E7f873D3A627A0091d2f7DD5aD4050"
DEMO_AGENT = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
V1_DOC_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
LIMIT_ORDER = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=60000.1"
    "&newClientOrderId=vec%3A1%2Fa"
)
LOGIN = f"&user={USER}&signer={AGENT}"


@pytest.mark.parametrize(
    ("text", "secret", "signature"),
    [
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            "&recvWindow=5000&timestamp=1591702613943",
            V1_DOC_SECRET,
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        ),
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
            "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
            V1_DOC_SECRET,
            "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
        ),
        (
            "symbol=BTCUSDT&orderId=42&recvWindow=5000&timestamp=1770000000000",
            "a5" * 32,
            "7240494f1ad41e849443ccbf55be79121beb34c35d0924d602756952958e79b4",
        ),
        (
            "symbol=BTCUSDTorderId=42&recvWindow=5000&timestamp=1770000000000",
            "a5" * 32,
            "13d620c16c1203e954e935cdff1e662d03dbf30858dfc4b4825c06b338622091",
        ),
        (
            "symbol=BTCUSDT&side=SELL&type=LIMIT&quantity=0.001&timeInForce=GTC&price=59808.02"
            "&newClientOrderId=a+b%2Fc%3Ad@e&timestamp=1770000000000",
            "S" * 64,
            "36572dd2a81e8a209e0305fe668f3d9346f831c5529d6691ee0f302dcf229916",
        ),
    ],
)
def test_hmac_vectors(text: str, secret: str, signature: str) -> None:
    key = ApiKey(key="k", account_id="a", secret=secret)
    assert key.matches(text.encode(), signature)
    assert key.matches(text.encode(), signature.upper())
    assert not key.matches(text.encode() + b" ", signature)


@pytest.mark.parametrize(
    ("chain_id", "message", "signature", "signer"),
    [
        (
            1666,
            f"{LIMIT_ORDER}&nonce=1770000000000001{LOGIN}",
            "e2a5cedaa709a4b591bb3950bb15715e8991dc44131805fe17cd19376149b87d06c138ab066302028e072978847f0276"
            "69820ee72ae82bedae56ee84e9eefac51b",
            AGENT,
        ),
        (
            714,
            f"{LIMIT_ORDER}&nonce=1770000000000001{LOGIN}",
            "6b883ae96cfd95f6a23a0b9746e23c93cec325ef816122ff7aa8f230906ce0017610036c77383732c27ee4656a600816"
            "ca16cac6f8ce7ffba4764f41b41bb1131b",
            AGENT,
        ),
        (
            1666,
            f"nonce=1770000000000002{LOGIN}",
            "e1603466074ac4086bb70b97f1375f8b9efe1259ef902bb9195648d22828f39558fc91fcb94f42cb08c3ad2d1b3ce460"
            "157191b3d7e9f95c46f566381bca81871c",
            AGENT,
        ),
        (
            1666,
            "symbol=ASTERUSDT&type=LIMIT&side=BUY&timeInForce=GTC&quantity=20&price=0.5"
            f"&nonce=1748310859508867&signer={DEMO_AGENT}",
            "d82a6784f5eff00b95ecb88145cf7a5fa6803ea6f67e0217262073da628750a742bb3ba555af418320e55029afe35895"
            "7808d4f810d73ea663d9c91852cd6d941c",
            DEMO_AGENT,
        ),
    ],
)
def test_agent_signature_vectors(chain_id: int, message: str, signature: str, signer: str) -> None:
    digest = message_digest(message.encode(), chain_id)
    raw = bytes.fromhex(signature)
    for last in (raw[64], raw[64] - 27):
        assert recover_address(digest, raw[:64] + bytes([last])) == signer.lower()
    assert recover_address(digest, raw[:64] + b"\x05") is None
    assert recover_address(digest, bytes(65)) is None
    assert recover_address(message_digest(message.encode() + b"x", chain_id), raw) != signer.lower()


def test_domain_separators_and_checksum() -> None:
    assert domain_separator(1666).hex().startswith("a95d0a7a6f3f17fc")
    assert domain_separator(714).hex().startswith("fad01b07bed5729a")
    assert checksum_address(AGENT.lower()) == AGENT


def test_management_call_vector() -> None:
    fields = [
        ("AgentName", "bot1"),
        ("AgentAddress", AGENT),
        ("IpWhitelist", ""),
        ("Expired", 1967945395040),
        ("CanSpotTrade", False),
        ("CanPerpTrade", True),
        ("CanWithdraw", False),
        ("AsterChain", "Mainnet"),
        ("User", USER),
        ("Nonce", 1770000000000003),
    ]
    signature = bytes.fromhex(
        "960c51bb2665475320458dcd57cda8adc48b278d529857f933c3fad8710534fc3913f70b66cd2601343e1a59c86d46ac"
        "5525077f3c1a995214c670f60cad2f6a1b"
    )
    assert recover_address(struct_digest("ApproveAgent", fields, 56), signature) == USER.lower()


@given(st.text(max_size=80))
def test_the_digest_is_that_of_an_independent_library(message: str) -> None:
    typed = {
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
            "chainId": 1666,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": {"msg": message},
    }
    key = "0x" + "11" * 31 + "a5"
    signed = EthAccount.sign_message(encode_typed_data(full_message=typed), key)
    assert recover_address(message_digest(message.encode(), 1666), bytes(signed.signature)) == AGENT.lower()


def test_demo_accounts_follow_from_the_seed() -> None:
    first, second = demo_accounts(3, 2), demo_accounts(3, 5)
    assert first == second[:2]
    assert demo_accounts(4, 1)[0] != first[0]
    assert first[0].user == first[0].signer
    assert first[1].user != first[1].signer
    assert EthAccount.from_key(first[1].private_key).address == first[1].signer
    assert EthAccount.from_key(first[1].wallet_private_key).address == first[1].user
    assert set(first[0].public_json()) == {"user", "signer", "private_key", "api_key", "api_secret"}
    assert first[0].private_key not in repr(first[0])
    assert first[0].api_secret not in repr(first[0])


# --- requests ---------------------------------------------------------------------------------------------


def test_both_schemes_reach_the_same_account(trader: Trader) -> None:
    by_agent = trader.v3("GET", "balance").json
    by_key = trader.v1("GET", "v2/balance").json
    assert by_agent == by_key
    assert by_agent[0]["balance"] == "10000.00000000"


def test_an_agent_may_use_old_paths_and_leave_out_the_user(other_trader: Trader) -> None:
    assert other_trader.account.user != other_trader.account.signer
    assert other_trader.send("GET", "/fapi/v4/account", other_trader.v3_query()).status == 200
    message = f"nonce={other_trader.nonce()}&signer={other_trader.account.signer}"
    query = f"{message}&signature={sign_message(message.encode(), other_trader.account.private_key)}"
    assert other_trader.send("GET", "/fapi/v3/balance", query).status == 200


def test_a_main_wallet_signs_for_itself(other_trader: Trader) -> None:
    account = other_trader.account
    message = f"nonce={other_trader.nonce()}&user={account.user}&signer={account.user.lower()}"
    query = f"{message}&signature=0x{sign_message(message.encode(), account.wallet_private_key).upper()}"
    assert other_trader.send("GET", "/fapi/v3/balance", query).status == 200


def test_signed_parameters_may_travel_in_the_body(trader: Trader) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    body = trader.v3_query(**order).encode()
    assert trader.send("POST", "/fapi/v3/order", body=body).status == 200
    body = trader.v1_query(**order).encode()
    assert trader.send("POST", "/fapi/v1/order", body=body, headers=trader.key_header).status == 200
    rest = f"side=BUY&type=MARKET&quantity=0.001&timestamp={trader.clock.now_ms()}"
    signature = hmac_hex(f"symbol=BTCUSDT{rest}".encode(), trader.account.api_secret)
    answer = trader.send(
        "POST",
        "/fapi/v1/order",
        "symbol=BTCUSDT",
        f"{rest}&signature={signature}".encode(),
        trader.key_header,
    )
    assert answer.status == 200, answer.json


def test_a_body_may_repeat_a_signed_query_but_not_add_to_it(trader: Trader) -> None:
    """The venue's own demonstration sends its parameters twice and signs them once, in the query."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    query = trader.v3_query(**order)
    assert trader.send("POST", "/fapi/v3/order", query, urlencode(order).encode()).status == 200
    # The signed value counts, whatever the copy says.
    other = urlencode(order | {"quantity": "0.500", "side": "SELL"}).encode()
    answer = trader.send("POST", "/fapi/v3/order", trader.v3_query(**order), other).json
    assert (answer["origQty"], answer["side"]) == ("0.010", "BUY")
    added = urlencode(order | {"reduceOnly": "true"}).encode()
    assert trader.send("POST", "/fapi/v3/order", trader.v3_query(**order), added).code == -1022


def test_a_json_body_beside_a_signed_query_is_ignored(trader: Trader) -> None:
    query = trader.v3_query(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    assert trader.send("POST", "/fapi/v3/order", query, b'{"symbol": "ETHUSDT"}').json["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("style", ["reencoded", "unencoded"])
def test_rewritten_escapes_are_understood(trader: Trader, style: str) -> None:
    sent = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.001",
        "newClientOrderId": "a:b/c",
        "nonce": trader.nonce(),
        "user": trader.account.user,
        "signer": trader.account.signer,
    }
    plain = "&".join(f"{name}={value}" for name, value in sent.items())
    signed, wire = (urlencode(sent), plain) if style == "reencoded" else (plain, urlencode(sent))
    query = f"{wire}&signature={sign_message(signed.encode(), trader.account.private_key)}"
    assert trader.send("POST", "/fapi/v3/order", query).json["clientOrderId"] == "a:b/c"


def test_percent_twenty_and_lower_case_addresses_as_ccxt_sends_them(trader: Trader) -> None:
    user = trader.account.user.lower()
    message = (
        f"nonce={trader.nonce()}&user={user}&signer={user}&symbol=BTCUSDT&origClientOrderId={quote('a b')}"
    )
    signature = "0x" + sign_message(message.encode(), trader.account.private_key)
    answer = trader.send(
        "GET", "/fapi/v3/order", f"{message}&signature={signature[:-2]}{signature[-2:].upper()}"
    )
    assert answer.code == -2013


def _v3_refusal(trader: Trader, **changes: object) -> tuple[int, int]:
    answer = trader.send("GET", "/fapi/v3/balance", trader.v3_query(**changes))
    return answer.status, answer.code


def test_agent_refusals(trader: Trader, other_trader: Trader) -> None:
    stranger = demo_accounts(99, 1)[0]
    cases = [
        (trader.v3_query(signer=other_trader.account.signer), 400, -1022),
        (trader.v3_query(user=other_trader.account.user), 401, -2015),
        (trader.v3_query(nonce=trader.clock.now_us() - 61_000_000), 400, -4225),
        (trader.v3_query(nonce=trader.clock.now_us() + 61_000_000), 400, -4225),
        (trader.v3_query(nonce="abc"), 400, -1130),
        (trader.v3_query() + "00", 400, -1022),
        (trader.v3_query().rpartition("&signature=")[0], 400, -1102),
        (trader.v3_query() + "&extra=1", 400, -1022),
        (trader.v3_query().rpartition("=")[0] + "=zz", 400, -1022),
        (trader.v3_query().replace("nonce=1", "nonce=2"), 400, -1022),
        (f"signer={trader.account.signer}&signature=00", 400, -1102),
    ]
    for query, status, code in cases:
        answer = trader.send("GET", "/fapi/v3/balance", query)
        assert (answer.status, answer.code) == (status, code), query
    message = f"nonce={trader.nonce()}&user={stranger.user}&signer={stranger.signer}"
    query = f"{message}&signature={sign_message(message.encode(), stranger.private_key)}"
    answer = trader.send("GET", "/fapi/v3/balance", query)
    assert (answer.status, answer.code) == (401, -2015)


def test_a_request_cannot_be_replayed(trader: Trader) -> None:
    query = trader.v3_query()
    assert trader.send("GET", "/fapi/v3/balance", query).status == 200
    answer = trader.send("GET", "/fapi/v3/balance", query)
    assert (answer.status, answer.json) == (400, {"code": -4225, "msg": "Nonce Expired"})


def test_agents_have_permissions_expiry_and_addresses(trader: Trader, clock: ManualClock) -> None:
    account = trader.account
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}

    def codes() -> tuple[int, int]:
        return trader.v3("GET", "balance").status, trader.v3("POST", "order", **order).status

    def install(**changes: object) -> None:
        registry = trader.server.registry
        registry.add_agent(Agent(account.signer.lower(), account.account_id, **changes))  # type: ignore[arg-type]

    assert codes() == (200, 200)
    install(can_perp_trade=False)
    assert codes() == (200, 401)
    install(can_read=False)
    assert codes() == (401, 200)
    install(expires_ms=clock.now_ms() + 1000)
    assert codes() == (200, 200)
    clock.advance_ms(1000)
    assert codes() == (401, 401)
    for whitelist in ("10.0.0.0/8 127.0.0.1", "127.0.0.0/8", "::1 127.0.0.1"):
        install(ip_whitelist=whitelist)
        assert codes() == (200, 200)
    install(ip_whitelist="10.0.0.0/8")
    assert codes() == (401, 401)


def test_key_refusals(trader: Trader) -> None:
    now_ms = trader.clock.now_ms()
    header = trader.key_header
    cases = [
        (trader.v1_query(), {}, 401, -2014),
        (trader.v1_query(), {"x-mbx-apikey": "no such key"}, 401, -2015),
        (trader.v1_query(timestamp=now_ms + 1000), header, 400, -1021),
        (trader.v1_query(timestamp=now_ms - 5001), header, 400, -1021),
        (trader.v1_query(timestamp=now_ms - 1001, recvWindow=1000), header, 400, -1021),
        (trader.v1_query(recvWindow=60001), header, 400, -1130),
        (trader.v1_query(timestamp="now"), header, 400, -1130),
        ("a=1&signature=00", header, 400, -1102),
        (f"timestamp={now_ms}", header, 400, -1102),
        (trader.v1_query() + "0", header, 400, -1022),
        (trader.v1_query() + "&late=1", header, 400, -1022),
    ]
    for query, headers, status, code in cases:
        answer = trader.send("GET", "/fapi/v2/balance", query, headers=headers)
        assert (answer.status, answer.code) == (status, code), query
    for timestamp in (now_ms + 999, now_ms - 5000):
        query = trader.v1_query(timestamp=timestamp)
        assert trader.send("GET", "/fapi/v2/balance", query, headers=header).status == 200


def test_timestamp_refusals_have_their_two_texts(trader: Trader) -> None:
    now_ms = trader.clock.now_ms()
    ahead = trader.v1("GET", "v2/balance", timestamp=now_ms + 5000).json["msg"]
    late = trader.v1("GET", "v2/balance", timestamp=now_ms - 50_000).json["msg"]
    assert ahead == "Timestamp for this request was 1000ms ahead of the server's time."
    assert late == "Timestamp for this request is outside of the recvWindow."


def test_the_security_clock_is_skewed_apart_from_market_time(trader: Trader) -> None:
    trader.server.security_clock.skew_ms = 10_000
    assert trader.public("v1/time").json["serverTime"] == trader.clock.now_ms() + 10_000
    assert trader.v1("GET", "v2/balance").code == -1021


def test_listen_keys_need_the_header_alone_on_v1_and_a_signature_on_v3(trader: Trader) -> None:
    first = trader.send("POST", "/fapi/v1/listenKey", headers=trader.key_header)
    assert first.status == 200
    signed = trader.v3("POST", "listenKey")
    assert signed.json == first.json
    assert trader.send("POST", "/fapi/v3/listenKey").status == 401
    assert trader.send("POST", "/fapi/v1/listenKey").code == -2014


# --- nonces -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 400), max_size=500))
def test_nonce_window_follows_the_published_rule(nonces: list[int]) -> None:
    window, kept = NonceWindow(), set[int]()
    for nonce in nonces:
        allowed = nonce not in kept and not (len(kept) >= NONCES_KEPT and nonce < min(kept))
        code = refusal_code(lambda nonce=nonce: window.use(nonce))
        assert code == (None if allowed else -4225)
        if allowed:
            if len(kept) >= NONCES_KEPT:
                kept.remove(min(kept))
            kept.add(nonce)


@pytest.mark.parametrize("scheme", ["v1", "v3"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_signature_may_stand_anywhere(trader: Trader, scheme: str, place: int) -> None:
    """An official demonstration program sorts its parameters after signing, the signature among them."""
    query = trader.v1_query(symbol="BTCUSDT") if scheme == "v1" else trader.v3_query(symbol="BTCUSDT")
    headers = trader.key_header if scheme == "v1" else {}
    signed, _, signature = query.rpartition("&signature=")
    parts = signed.split("&")
    parts.insert(place, f"signature={signature}")
    text = "&".join(parts)
    assert trader.send("GET", "/fapi/v3/openOrders", text + "1", headers=headers).code == -1022
    assert trader.send("GET", "/fapi/v3/openOrders", text, headers=headers).status == 200
