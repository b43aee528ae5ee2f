"""`exchange serve` and `exchange account create`: every option as a stranger uses it."""

import hmac
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import polars as pl
import pytest
from cli_calls import Call, Run
from eth_account import Account
from eth_account.messages import encode_typed_data
from test_session_commands import started

from aster_operator.domain.clock import WallClock
from warm_programs import warm_programs

START_MS = 1_746_576_000_000


@contextmanager
def served(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """The first line of an exchange that serves while the block runs."""
    program = [warm_programs() / "aster-operator"]
    with started(folder, "exchange", "serve", "--port", "0", "--json", *options, program=program) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        (folder / "exchange.json").write_text(line)
        yield json.loads(line)


def ask(method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def get(url: str, headers: dict[str, str] | None = None) -> Any:
    return ask("GET", url, headers)


def captures(folder: Path) -> Path:
    """Twelve books and six trades of a captured minute, in two recordings."""
    folder.mkdir()
    times = [START_MS + 250 * number for number in range(12)]
    pl.DataFrame(
        {
            "symbol": ["BTCUSDT"] * 12,
            "session": ["A"] * 6 + ["B"] * 6,
            "recv_ms": times,
            "bid": [60_000.0 + number for number in range(12)],
            "ask": [60_000.5 + number for number in range(12)],
        }
    ).write_parquet(folder / "book_top.parquet")
    pl.DataFrame(
        {
            "symbol": ["BTCUSDT"] * 6,
            "session": ["A"] * 3 + ["B"] * 3,
            "time_ms": times[::2],
            "price": [60_000.5, 60_002.5, 60_004.5, 60_006.5, 60_008.5, 60_010.5],
            "qty": [0.1] * 6,
            "taker_side": ["buy"] * 6,
        }
    ).write_parquet(folder / "agg_trades.parquet")
    return folder


@pytest.mark.parametrize(
    ("options", "symbols", "price"),
    [
        ((), {"BTCUSDT", "ETHUSDT"}, (90_000, 105_000)),
        (("--market", "recorded", "--symbols", "ethusdt"), {"ETHUSDT"}, (1_000, 3_000)),
        (("--market", "synthetic"), {"BTCUSDT", "ETHUSDT"}, (1_000, 200_000)),
        (("--market", "synthetic", "--symbols", "BTCUSDT,SOLUSDT"), {"BTCUSDT", "SOLUSDT"}, (1_000, 200_000)),
        (
            ("--market", "ticks", "--data", "ticks", "--symbols", "BTCUSDT", "--session", "B"),
            {"BTCUSDT"},
            (60_006, 60_006.5),
        ),
    ],
    ids=["default", "recorded", "synthetic", "synthetic symbols", "ticks"],
)
def test_every_kind_of_market_is_served(
    tmp_path: Path, options: tuple[str, ...], symbols: set[str], price: tuple[float, float]
) -> None:
    captures(tmp_path / "ticks")
    # Without speed the first step stays on the screen.
    with served(tmp_path, *options, "--speed", "lockstep") as line:
        ask("POST", f"{line['control']}/sim/step", {"Authorization": f"Bearer {line['control_token']}"}, "{}")
        info = get(f"{line['rest']}/fapi/v1/exchangeInfo")
        assert {row["symbol"] for row in info["symbols"]} == symbols
        first = sorted(symbols)[0]
        book = get(f"{line['rest']}/fapi/v1/depth?symbol={first}&limit=5")
        assert price[0] <= float(book["bids"][0][0]) < float(book["asks"][0][0]) <= price[1]


@pytest.mark.parametrize(
    ("options", "ends"), [((), False), (("--no-endless",), True), (("--start", "recorded"), True)]
)
def test_what_is_served_as_of_now_may_be_left_on(
    tmp_path: Path, options: tuple[str, ...], ends: bool
) -> None:
    with served(tmp_path, *options) as line:
        state = get(f"{line['control']}/sim/state", {"Authorization": f"Bearer {line['control_token']}"})
        assert (state["end_ms"] is not None) == ends


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--market", "live"), "--market"),
        (("--market", "ticks"), "--data"),
        (("--market", "ticks", "--data", "."), "--symbols"),
        (("--market", "synthetic", "--data", "."), "leave --data out"),
        (("--session", "S1"), "--session"),
        (("--market", "ticks", "--data", ".", "--symbols", "BTCUSDT"), "captures"),
        (("--market", "synthetic", "--symbols", "NOPE"), "NOPE"),
        (("--latency-ms", "-1"), "--latency-ms"),
        (("--speed", "fast"), "--speed"),
        (("--start", "yesterday"), "--start"),
        (("--market", "ticks", "--endless"), "--endless"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_code_two(
    call: Call, options: tuple[str, ...], words: str
) -> None:
    ended = call("exchange", "serve", "--port", "0", *options)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def v1_balance(line: dict[str, Any], account: dict[str, str]) -> Any:
    query = urlencode({"timestamp": WallClock().now_ms()})
    signature = hmac.new(account["api_secret"].encode(), query.encode(), sha256).hexdigest()
    return get(
        f"{line['rest']}/fapi/v2/balance?{query}&signature={signature}", {"X-MBX-APIKEY": account["api_key"]}
    )


def test_an_account_created_while_it_serves_has_keys_and_money(run: Run, tmp_path: Path) -> None:
    with served(tmp_path) as line:
        by_file = run(
            "exchange", "account", "create", "--exchange", "exchange.json", "--deposit", "250", "--json"
        )
        assert by_file.returncode == 0, by_file.stderr
        account = json.loads(by_file.stdout)
        assert account["user"] not in {each["user"] for each in line["accounts"]}
        (balance,) = v1_balance(line, account)
        assert (balance["asset"], float(balance["balance"])) == ("USDT", 250)
        address = ("--control", line["control"], "--token", line["control_token"])
        by_address = run("exchange", "account", "create", *address)
        assert by_address.returncode == 0, by_address.stderr
        assert "agent key  0x" in by_address.stdout
        wrong = run("exchange", "account", "create", "--control", line["control"], "--token", "x")
        assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
        assert "token" in wrong.stderr
    gone = run("exchange", "account", "create", "--exchange", "exchange.json")
    assert gone.returncode == 2
    assert "no exchange answers" in gone.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "which exchange?"),
        (("--exchange", "missing.json"), "missing.json"),
        (("--exchange", "bad.json"), "not the line of an exchange"),
        (("--control", "ftp://x", "--token", "t"), "no control address"),
        (("--control", "http://127.0.0.1:99999", "--token", "t"), "no control address"),
        (("--control", "http://127.0.0.1:1"), "which exchange?"),
    ],
)
def test_account_create_says_what_it_needs(
    call: Call, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "bad.json").write_text('["no", "object"]\n')
    ended = call("exchange", "account", "create", *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr


def test_latency_and_the_retired_signatures_can_be_asked_for(tmp_path: Path) -> None:
    options = ("--latency-ms", "120", "--latency-jitter-ms", "30", "--legacy-v3")
    with served(tmp_path, *options) as line:
        clock = WallClock()
        began_ns = clock.monotonic_ns()
        get(f"{line['rest']}/fapi/v1/ping")
        # It cannot be quicker; how much slower is the machine's affair.
        assert clock.monotonic_ns() - began_ns >= 120_000_000
        # With a timestamp a wrong signature is now looked at as a retired one too, which needs `user`.
        query = urlencode(
            {
                "timestamp": WallClock().now_ms(),
                "nonce": WallClock().now_us(),
                "signer": line["accounts"][1]["signer"],
                "signature": "00" * 65,
            }
        )
        assert get(f"{line['rest']}/fapi/v3/balance?{query}")["code"] == -1102


@pytest.mark.parametrize("market", ["recorded", "synthetic"])
def test_at_real_speed_market_time_is_now(tmp_path: Path, market: str) -> None:
    with served(tmp_path, "--market", market) as line:
        rest = line["rest"]
        now_ms = get(f"{rest}/fapi/v1/time")["serverTime"]
        asked = f"symbol=BTCUSDT&interval=1m&startTime={now_ms - 3_600_000}"
        for path in ("fapi/v1", "api/v1"):
            bars = get(f"{rest}/{path}/klines?{asked}")
            assert len(bars) >= 59
            assert abs(bars[-1][0] - now_ms) < 130_000
        assert abs(get(f"{rest}/fapi/v1/premiumIndex?symbol=BTCUSDT")["time"] - now_ms) < 60_000
        settled = get(f"{rest}/fapi/v1/fundingRate?symbol=BTCUSDT&startTime={now_ms - 86_400_000}")
        assert len(settled) == 3
        assert len(get(f"{rest}/fapi/v1/depth?symbol=BTCUSDT&limit=1000")["bids"]) == 100


def test_the_times_of_the_recording_can_be_kept(tmp_path: Path) -> None:
    with served(tmp_path, "--start", "recorded") as line:
        told = get(f"{line['rest']}/fapi/v1/premiumIndex?symbol=BTCUSDT")
        assert told["time"] < 1_760_000_000_000


def v3_balance(line: dict[str, Any], chain_id: int) -> Any:
    account = line["accounts"][0]
    text = urlencode({"nonce": WallClock().now_us(), "user": account["user"], "signer": account["signer"]})
    domain = {
        "name": "AsterSignTransaction",
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": "0x" + "00" * 20,
    }
    message = encode_typed_data(domain, {"Message": [{"name": "msg", "type": "string"}]}, {"msg": text})
    signed = Account.sign_message(message, account["private_key"])
    return get(f"{line['rest']}/fapi/v3/balance?{text}&signature={signed.signature.hex()}")


def test_a_program_for_the_testnet_signs_for_its_chain(tmp_path: Path) -> None:
    with served(tmp_path, "--chain-id", "714") as line:
        assert v3_balance(line, 714)[0]["asset"] == "USDT"
        assert v3_balance(line, 1666)["code"] == -1022


def test_captured_ticks_can_begin_now(tmp_path: Path) -> None:
    captures(tmp_path / "ticks")
    options = ("--market", "ticks", "--data", "ticks", "--symbols", "BTCUSDT", "--session", "B")
    with served(tmp_path, *options, "--start", "now", "--speed", "lockstep") as line:
        now_ms = get(f"{line['rest']}/fapi/v1/time")["serverTime"]
        (bar,) = get(f"{line['rest']}/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1")
        assert abs(bar[0] - now_ms) < 180_000
