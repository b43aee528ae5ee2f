"""Settings: defaults, sources, every kind of bad input, and what is said about it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.config.env_file import read_env_file
from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings, SettingsProblem, load_settings

WriteEnv = Callable[[str], str]

# Keys of the protocol reference's public test vectors; they guard nothing.
AGENT_KEY = "0x" + "4f" * 32
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def problem_lines(text: str, write_env: WriteEnv, **options: bool) -> tuple[str, ...]:
    write_env(text)
    with pytest.raises(SettingsProblem) as caught:
        load_settings(**options)  # type: ignore[arg-type]
    return caught.value.lines()


def test_without_any_file_the_defaults_are_those_of_the_first_source_system() -> None:
    settings = load_settings()
    assert settings.venue == "sim"
    assert settings.capital_usdt == Decimal(100)
    assert settings.leverage == 15
    assert settings.trading_pairs == ("BTCUSDT",)
    assert settings.position_hold_time_min == 90
    assert settings.max_position_size_pct == Decimal("1.5")
    assert settings.daily_volume_target_usd == Decimal(15_000)
    assert settings.stop_loss_pct == Decimal(1)
    assert settings.max_pnl_drift_pct == Decimal("0.8")
    assert settings.database_url == "sqlite:///aster-operator.db"
    assert settings.warnings == ()


def test_an_empty_file_is_as_good_as_none(write_env: WriteEnv) -> None:
    write_env("")
    assert load_settings() == load_settings("/dev/null")


def test_the_readme_of_the_first_source_system_loads_as_written(write_env: WriteEnv) -> None:
    write_env(
        "# API Credentials (get from Aster DEX settings)\n"
        "ASTER_API_KEY=your_api_key_here\n"
        "ASTER_API_SECRET=your_api_secret_here\n"
        "WALLET_ADDRESS=your_wallet_address\n"
        "CAPITAL_USDT=100.0          # How much capital to deploy\n"
        'TRADING_PAIRS=["BTCUSDT"]   # Which pairs to trade\n'
        "STOP_LOSS_PCT=1.0           # Close if loss exceeds 1%\n"
    )
    settings = load_settings()
    assert settings.api_key is None
    assert settings.user_address is None
    assert settings.capital_usdt == Decimal("100.0")
    assert [warning.split(" ")[0] for warning in settings.warnings] == [
        "WALLET_ADDRESS",
        "ASTER_API_KEY",
        "ASTER_API_SECRET",
    ]
    assert all("counts as not set" in warning for warning in settings.warnings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TRADING_PAIRS=btcusdt, ETHUSDT", ("BTCUSDT", "ETHUSDT")),
        ('TRADING_PAIRS=["ETHUSDT","SOLUSDT"]', ("ETHUSDT", "SOLUSDT")),
        ("TRADING_PAIRS=1000SHIBUSDT", ("1000SHIBUSDT",)),
        ("trading_pairs=ETHUSDT", ("ETHUSDT",)),
        ("export TRADING_PAIRS=ETHUSDT", ("ETHUSDT",)),
        ("TRADING_PAIRS=", ("BTCUSDT",)),
    ],
)
def test_symbols_come_as_json_list_or_comma_list(
    text: str, expected: tuple[str, ...], write_env: WriteEnv
) -> None:
    write_env(text)
    assert load_settings().trading_pairs == expected


BAD_VALUES = [
    ("LEVERAGE=-3", "LEVERAGE=-3", "from 1 to 125 (times)"),
    ("LEVERAGE=0", "LEVERAGE=0", "from 1 to 125"),
    ("LEVERAGE=126", "LEVERAGE=126", "from 1 to 125"),
    ("LEVERAGE=2.5", "LEVERAGE=2.5", "a whole number"),
    ("LEVERAGE=ten", "LEVERAGE=ten", "a whole number"),
    ("CAPITAL_USDT=abc", "CAPITAL_USDT=abc", "above 0"),
    ("CAPITAL_USDT=0", "CAPITAL_USDT=0", "above 0"),
    ("CAPITAL_USDT=NaN", "CAPITAL_USDT=NaN", "a number"),
    ("CAPITAL_USDT=inf", "CAPITAL_USDT=inf", "a number"),
    ("CAPITAL_USDT=1,000", "CAPITAL_USDT=1,000", "a number"),
    ("POSITION_HOLD_TIME_MIN=0", "POSITION_HOLD_TIME_MIN=0", "minutes"),
    ("MAX_POSITION_SIZE_PCT=51", "MAX_POSITION_SIZE_PCT=51", "% of CAPITAL_USDT"),
    ("DAILY_VOLUME_TARGET=-1", "DAILY_VOLUME_TARGET=-1", "USD"),
    ("STOP_LOSS_PCT=0", "STOP_LOSS_PCT=0", "above 0 up to 100"),
    ("EXECUTION=fast", "EXECUTION=fast", "one of maker-first, taker"),
    ("MARGIN_TYPE=cross", "MARGIN_TYPE=cross", "one of CROSSED, ISOLATED"),
    ("VENUE=prod", "VENUE=prod", "one of sim, paper, testnet, mainnet"),
    ("TRADING_PAIRS=[BTCUSDT", "TRADING_PAIRS=[BTCUSDT", "is no JSON list"),
    ('TRADING_PAIRS=["BTC/USDT"]', "'BTC/USDT' is no symbol", "a list of symbols"),
    ("TRADING_PAIRS=BTCUSDT,btcusdt", "names a symbol twice", "a list of symbols"),
    ("TRADING_PAIRS=[]", "names no symbol", "a list of symbols"),
    ("WALLET_ADDRESS=0x123", "is no wallet address", "40 hexadecimal digits"),
    ("WALLET_ADDRESS=" + WALLET[:-1] + "D", "wrong checksum", "40 hexadecimal digits"),
    ("ASTER_ENABLE_TRADING=perhaps", "ASTER_ENABLE_TRADING=perhaps", "true or false"),
    ("ASTER_ENTRY_HALT_UTC=24:00", "is no time of day", "HH:MM"),
    ("ASTER_ENTRY_HALT_UTC=23:55", "is after ASTER_FORCE_EXIT_UTC=23:50", "entries must halt"),
    ("ASTER_BACKTEST_FEATURE_WINDOWS=10,x", "is no list of whole numbers", "10,30,60"),
    ("ASTER_BACKTEST_START_DATE=2026-13-01", "is no date", "YYYY-MM-DD"),
    ("ASTER_BASE_URL=ftp://host", "is no https address", "https://host"),
    ("ASTER_BASE_URL=https://host:port", "is no https address", "https://host"),
    ("ASTER_WS_URL=ws://example.com", "is not encrypted", "wss://"),
    ("VENUE=testnet\nASTER_BASE_URL=https://fapi.asterdex.com", "is the mainnet", "change VENUE"),
    ("VENUE=mainnet\nASTER_WS_URL=wss://fstream5.asterdex-testnet.com", "is the testnet", "change VENUE"),
    ("DATABASE_URL=mysql://u@h/x", "is no database address", "postgresql://"),
    ("ASTER_API_KEY=abcdefgh", "ASTER_API_SECRET is not set", "set both"),
    ("ORDER_SECRET_KEY=abcdefgh", "ASTER_API_KEY is not set", "set both"),
    (f"ASTER_AGENT_PRIVATE_KEY={AGENT_KEY}", "WALLET_ADDRESS is not set", "main wallet"),
    (f"WALLET_ADDRESS={WALLET}\nASTER_AGENT_PRIVATE_KEY=12", "is no private key (2 characters", "64"),
    (
        f"WALLET_ADDRESS={WALLET}\nASTER_AGENT_PRIVATE_KEY=" + "0" * 64,
        "is no private key (64 characters",
        "64 hexadecimal digits",
    ),
    ("ASTER_API_KEY=a1\nASTER_API_SECRET=b\nORDER_API_KEY=a2", "ORDER_API_KEY differs", "keep one"),
    ("just words", "a line is no KEY=value", "begin it with #"),
]


@pytest.mark.parametrize(("text", "what", "remedy"), BAD_VALUES)
def test_a_bad_value_is_named_with_its_place_and_what_is_allowed(
    text: str, what: str, remedy: str, write_env: WriteEnv
) -> None:
    lines = problem_lines(text, write_env)
    assert len(lines) == 1
    assert what in lines[0]
    assert remedy in lines[0]
    assert "\n" not in lines[0]


def test_all_problems_are_reported_at_once_with_file_and_line(write_env: WriteEnv) -> None:
    lines = problem_lines(
        "LEVERAGE=-3\n\n# comment\nCAPITAL_USDT=abc\nVENUE=mainnet\nwhat is this\n"
        "ASTER_BASE_URL=http://example.com\n",
        write_env,
        for_trading=True,
    )
    assert [line.split(":")[0] for line in lines] == [
        f"a line is no KEY=value, {Path('.env')} line 6",
        "ASTER_BASE_URL is not encrypted, .env line 7",
        "CAPITAL_USDT=abc is not allowed, .env line 4",
        "LEVERAGE=-3 is not allowed, .env line 1",
        "VENUE=mainnet needs credentials, settings",
    ]


@pytest.mark.parametrize("venue", ["mainnet", "testnet"])
def test_a_real_venue_needs_credentials_and_says_which(venue: str, write_env: WriteEnv) -> None:
    (line,) = problem_lines(f"VENUE={venue}", write_env, for_trading=True)
    assert line.startswith(f"VENUE={venue} needs credentials")
    assert "ASTER_AGENT_PRIVATE_KEY and WALLET_ADDRESS" in line
    assert "ASTER_API_KEY and ASTER_API_SECRET" in line


@pytest.mark.parametrize("venue", ["sim", "paper"])
def test_sim_and_paper_need_no_credentials(venue: str, write_env: WriteEnv) -> None:
    write_env(f"VENUE={venue}")
    load_settings(for_trading=True).require_credentials()


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        (f"WALLET_ADDRESS={WALLET}\nASTER_AGENT_PRIVATE_KEY={AGENT_KEY}", "agent"),
        (f"ASTER_USER_ADDRESS={WALLET.lower()}\nASTER_AGENT_PRIVATE_KEY={AGENT_KEY[2:]}", "agent"),
        ("ASTER_API_KEY=abc\nASTER_API_SECRET=def", "hmac"),
        ("ORDER_API_KEY=abc\nORDER_SECRET_KEY=def", "hmac"),
        (
            f"WALLET_ADDRESS={WALLET}\nASTER_AGENT_PRIVATE_KEY={AGENT_KEY}\n"
            "ASTER_API_KEY=abc\nASTER_API_SECRET=def\nASTER_SIGNING=hmac",
            "hmac",
        ),
        ("ASTER_API_KEY=abc\nASTER_API_SECRET=def\nASTER_SIGNING=agent", None),
        ("", None),
    ],
)
def test_the_signature_scheme_follows_from_the_keys(
    text: str, scheme: str | None, write_env: WriteEnv
) -> None:
    write_env(text)
    assert load_settings().signing == scheme


# --- key files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "  \n\n"])
def test_a_secret_may_live_in_a_file_with_a_line_end(
    ending: str, tmp_path: Path, write_env: WriteEnv
) -> None:
    directory = tmp_path / "api"
    directory.mkdir()
    for name, text in (("api.txt", "the-key"), ("secret.txt", "the-secret")):
        (directory / name).write_bytes((text + ending).encode())
        (directory / name).chmod(0o600)
    write_env("ORDER_API_KEY=./api/api.txt\nORDER_SECRET_KEY=api/secret.txt")
    settings = load_settings()
    assert settings.api_key is not None
    assert settings.api_secret is not None
    assert settings.api_key.get_secret_value() == "the-key"
    assert settings.api_secret.get_secret_value() == "the-secret"
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two words", "more than one word"),
        (b"\xff\xfe\x00", "is not text"),
        (b"your_api_key_here", "holds example text"),
        (b"x" * 5000, "larger than 4096 bytes"),
    ],
)
def test_an_unusable_key_file_is_explained(
    content: bytes | None, complaint: str, tmp_path: Path, write_env: WriteEnv
) -> None:
    if content is not None:
        (tmp_path / "key.txt").write_bytes(content)
    (line,) = problem_lines("ASTER_API_KEY=./key.txt\nASTER_API_SECRET=abc", write_env)
    assert complaint in line
    assert "key.txt" in line


def test_a_key_file_that_is_a_directory_is_explained(tmp_path: Path, write_env: WriteEnv) -> None:
    (tmp_path / "keys").mkdir()
    (line,) = problem_lines("ASTER_API_KEY=./keys\nASTER_API_SECRET=abc", write_env)
    assert "Is a directory" in line


def test_a_key_file_others_can_read_is_remarked_on(tmp_path: Path, write_env: WriteEnv) -> None:
    (tmp_path / "key.txt").write_text("the-key")
    (tmp_path / "key.txt").chmod(0o644)
    write_env("ASTER_API_KEY=./key.txt\nASTER_API_SECRET=abc")
    (warning,) = load_settings().warnings
    assert "can be read by others" in warning


# --- secrets stay secret --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    ["ASTER_API_KEY", "ASTER_API_SECRET", "ORDER_API_KEY", "ORDER_SECRET_KEY", "ASTER_AGENT_PRIVATE_KEY"],
)
def test_no_problem_shows_a_character_of_a_secret(key: str, write_env: WriteEnv) -> None:
    secret = "Zq9secretZq9 with a space"
    write_env(f"{key}='{secret}'")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    shown = "".join(caught.value.lines()) + str(caught.value) + repr(caught.value)
    assert "Zq9" not in shown
    assert caught.value.__cause__ is None


def test_settings_do_not_show_their_secrets(write_env: WriteEnv) -> None:
    write_env("ASTER_API_KEY=Zq9key\nASTER_API_SECRET=Zq9secret\nDATABASE_URL=postgresql://u:Zq9pw@h/x")
    settings = load_settings()
    assert "Zq9" not in repr(settings) + str(settings) + str(settings.public_values())
    assert settings.database_url == "postgresql://u:Zq9pw@h/x"


def test_the_fingerprint_ignores_secrets_and_sees_everything_else(write_env: WriteEnv) -> None:
    plain = load_settings().fingerprint()
    write_env("ASTER_API_KEY=a\nASTER_API_SECRET=b")
    assert load_settings().fingerprint() == plain
    write_env("LEVERAGE=10")
    assert load_settings().fingerprint() != plain


# --- sources --------------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env("LEVERAGE=3\nCAPITAL_USDT=5\nSTOP_LOSS_PCT=2")
    monkeypatch.setenv("LEVERAGE", "4")
    monkeypatch.setenv("CAPITAL_USDT", "6")
    settings = load_settings(overrides={"LEVERAGE": "7"})
    assert (settings.leverage, settings.capital_usdt, settings.stop_loss_pct) == (7, Decimal(6), Decimal(2))


@pytest.mark.parametrize(("where", "place"), [("environment", "environment"), ("override", "command line")])
def test_a_problem_says_where_the_value_came_from(
    where: str, place: str, write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env("LEVERAGE=5")
    overrides = {"LEVERAGE": "-1"} if where == "override" else {}
    if where == "environment":
        monkeypatch.setenv("LEVERAGE", "-1")
    with pytest.raises(SettingsProblem) as caught:
        load_settings(overrides=overrides)
    assert f"LEVERAGE=-1 is not allowed, {place}:" in caught.value.lines()[0]


def test_a_blank_environment_variable_leaves_the_file_in_charge(
    write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env("LEVERAGE=5")
    monkeypatch.setenv("LEVERAGE", "")
    assert load_settings().leverage == 5


def test_the_file_can_be_named_by_variable_and_switched_off(
    write_env: WriteEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env("LEVERAGE=5")
    other = tmp_path / "other.env"
    other.write_text("LEVERAGE=6")
    monkeypatch.setenv("ASTER_OPERATOR_ENV_FILE", str(other))
    assert load_settings().leverage == 6
    monkeypatch.setenv("ASTER_OPERATOR_ENV_FILE", "")
    assert load_settings().leverage == 15


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda _path: None, "does not exist"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        (lambda path: path.write_bytes(b"\xff\xfe\xfa"), "is not UTF-8 text"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_a_problem(
    make: Callable[[Path], object], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "named.env"
    make(path)
    with pytest.raises(UserProblem, match="settings file") as caught:
        load_settings(str(path))
    assert complaint in caught.value.line


def test_a_byte_order_mark_does_not_hide_the_first_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfLEVERAGE=5\n")
    assert load_settings().leverage == 5


# --- remarks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("LEVERGE=3", "LEVERGE is no setting, .env line 1: did you mean LEVERAGE?"),
        ("COLOUR_OF_MONEY=green", "COLOUR_OF_MONEY is no setting, .env line 1: it is ignored"),
        (
            "REFERRAL_CODE=KoPPFo",
            "REFERRAL_CODE has no effect, .env line 1: it is accepted for old files only",
        ),
        ("LEVERAGE=26", "LEVERAGE=26 is above 25: liquidation is a small move away"),
        ("LEVERAGE=2\nLEVERAGE=3", "LEVERAGE appears twice, .env: the last one counts"),
    ],
)
def test_remarks_do_not_stop_the_program(text: str, remark: str, write_env: WriteEnv) -> None:
    write_env(text)
    assert load_settings().warnings == (remark,)


def test_remarks_travel_with_the_problems(write_env: WriteEnv) -> None:
    write_env("LEVERGE=3\nCAPITAL_USDT=x")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    assert any("did you mean LEVERAGE?" in warning for warning in caught.value.warnings)


def test_a_mistyped_variable_of_ours_in_the_environment_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTER_API_KEEY", "x")
    assert load_settings().warnings == (
        "ASTER_API_KEEY is no setting, environment: did you mean ASTER_API_KEY?",
    )


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VENUE=mainnet", ("https://fapi.asterdex.com", "wss://fstream.asterdex.com")),
        ("VENUE=paper", ("https://fapi.asterdex.com", "wss://fstream.asterdex.com")),
        ("VENUE=testnet", ("https://fapi.asterdex-testnet.com", "wss://fstream5.asterdex-testnet.com")),
        ("VENUE=sim", None),
        ("ASTER_BASE_URL=https://fapi.asterdex.com\nASTER_WS_URL=wss://fstream.asterdex.com", None),
        (
            "ASTER_BASE_URL=http://127.0.0.1:8080/\nASTER_WS_URL=ws://127.0.0.1:8080",
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ),
    ],
)
def test_each_venue_has_its_addresses_and_sim_never_leaves_the_machine(
    text: str, expected: tuple[str, str] | None, write_env: WriteEnv
) -> None:
    write_env(text)
    assert load_settings().endpoint() == expected


# --- properties -----------------------------------------------------------------------------------------


@given(number=st.integers(-10_000, 10_000))
def test_leverage_is_accepted_exactly_inside_its_range(number: int) -> None:
    if 1 <= number <= 125:
        assert load_settings("/dev/null", overrides={"LEVERAGE": str(number)}).leverage == number
    else:
        with pytest.raises(SettingsProblem, match="from 1 to 125"):
            load_settings("/dev/null", overrides={"LEVERAGE": str(number)})


@given(number=st.decimals(min_value="0.0001", max_value="999999999", places=9, allow_nan=False))
def test_money_survives_reading_to_the_last_digit(number: Decimal) -> None:
    settings = load_settings("/dev/null", overrides={"CAPITAL_USDT": format(number, "f")})
    assert settings.capital_usdt == number


@given(text=st.text(max_size=200))
def test_any_text_in_the_file_gives_settings_or_a_problem(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_text(text, encoding="utf-8", errors="replace")
    problem = None
    try:
        load_settings(str(path))
    except UserProblem as raised:
        problem = raised
    assert problem is None or all(line and "\n" not in line for line in problem.lines())


def test_line_numbers_are_those_an_editor_shows(write_env: WriteEnv) -> None:
    file = read_env_file(write_env("\n\nA=1\n\n# c\nB='x\ny'\nC=3\n"))
    assert file.line_numbers == {"A": 3, "B": 6, "C": 8}


def test_constructing_settings_directly_reads_no_file(write_env: WriteEnv) -> None:
    write_env("LEVERAGE=5")
    assert Settings().leverage == 15
