"""`.env.example` documents every key, truthfully, and loads."""

import re
from pathlib import Path

import pytest

from aster_operator.config.env_file import read_env_file
from aster_operator.config.fields import allowed_text, field_extra, field_key, is_secret
from aster_operator.config.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
FIELDS = {field_key(field): (name, field) for name, field in Settings.model_fields.items()}

FIRST_SOURCE_KEYS = [
    "ASTER_API_KEY",
    "ASTER_API_SECRET",
    "ASTER_BASE_URL",
    "ASTER_WS_URL",
    "WALLET_ADDRESS",
    "REFERRAL_CODE",
    "CAPITAL_USDT",
    "LEVERAGE",
    "POSITION_HOLD_TIME_MIN",
    "DAILY_VOLUME_TARGET",
    "MAX_POSITION_SIZE_PCT",
    "TRADING_PAIRS",
    "MAX_DRAWDOWN_PCT",
    "MAX_PNL_DRIFT_PCT",
    "STOP_LOSS_PCT",
    "FUNDING_RATE_THRESHOLD",
    "DB_PATH",
]
SECOND_SOURCE_KEYS = [
    "ORDER_API_KEY",
    "ORDER_SECRET_KEY",
    "ASTER_ENABLE_TRADING",
    "ASTER_DELETE_LOGS",
    "ASTER_UPDATE_LOGS",
    "ASTER_SYMBOLS",
    "ASTER_POLL_TIME",
    "ASTER_LOG_DIR",
    "ASTER_CONFIG_CURRENT_FILE",
    "ASTER_TARGET_LEVERAGE",
    "ASTER_RISK_PCT",
    "ASTER_ORDER_NOTIONAL",
    "ASTER_K",
    "ASTER_T",
    "ASTER_N",
    "ASTER_V",
    "ASTER_MAX_SPREAD",
    "ASTER_MAX_SPREAD_TICKS",
    "ASTER_MAX_FUNDING_ABS_BPS",
    "ASTER_TAKER_FEE_BPS",
    "ASTER_TAKE_PROFIT_BPS",
    "ASTER_STOP_LOSS_BPS",
    "ASTER_TRAILING_ACTIVATION_BPS",
    "ASTER_TRAILING_ACTIVATION_BUFFER_BPS",
    "ASTER_TRAILING_CALLBACK_BPS",
    "ASTER_MIN_TAKE_PROFIT_GAP_BPS",
    "ASTER_MARGIN_SAFETY_MULTIPLE",
    "ASTER_DAILY_DRAWDOWN_BLOCKER_PCT",
    "ASTER_REENTRY_COOLDOWN_MIN",
    "ASTER_ENTRY_HALT_UTC",
    "ASTER_FORCE_EXIT_UTC",
    "ASTER_API_KEY_SECRET_NAME",
    "ASTER_API_SECRET_SECRET_NAME",
    "ASTER_SECRET_DIR",
    "ASTER_BQ_ENABLE_DAILY_BATCH",
    "ASTER_BQ_PROJECT",
    "ASTER_BQ_DATASET",
    "ASTER_BQ_LOCATION",
    "ASTER_LOG_RETENTION_DAYS",
    "ASTER_BACKTEST_CONFIG_FILE",
    "ASTER_BACKTEST_CONFIG_MAP_CSV",
    "ASTER_BACKTEST_RANKED_CSV",
    "ASTER_BACKTEST_INPUTS_CSV",
    "ASTER_BACKTEST_BUILD_INPUTS",
    "ASTER_BACKTEST_QUERY_SYMBOLS",
    "ASTER_BACKTEST_START_DATE",
    "ASTER_BACKTEST_END_DATE",
    "ASTER_BACKTEST_FEATURE_WINDOWS",
    "ASTER_BACKTEST_CHUNK_SIZE",
    "ASTER_BACKTEST_RETENTION_DAYS",
    "ASTER_BACKTEST_RUN_DATE",
    "ASTER_BQ_ENABLE_BACKTEST_UPLOAD",
    "ASTER_EMAIL_PROD_ENABLE",
    "ASTER_EMAIL_BACKTEST_ENABLE",
    "ASTER_EMAIL_BACKTEST_ON_COMPLETION",
    "ASTER_EMAIL_TRADE_ALERT_ENABLE",
    "ASTER_EMAIL_SMTP_HOST",
    "ASTER_EMAIL_SMTP_PORT",
    "ASTER_EMAIL_SMTP_USER",
    "ASTER_EMAIL_SMTP_PASS_SECRET_NAME",
    "ASTER_EMAIL_TO_PROD",
    "ASTER_EMAIL_TO_BACKTEST",
]


def test_every_key_is_listed_and_nothing_else() -> None:
    assert set(read_env_file(str(EXAMPLE)).values) == set(FIELDS)


@pytest.mark.parametrize("key", [*FIRST_SOURCE_KEYS, *SECOND_SOURCE_KEYS])
def test_the_keys_of_both_source_systems_are_known(key: str) -> None:
    assert key in FIELDS


def test_the_example_loads_and_means_the_defaults() -> None:
    settings = load_settings(str(EXAMPLE))
    assert settings == Settings()
    assert settings.warnings == ()


@pytest.mark.parametrize("key", FIELDS)
def test_the_comment_above_a_key_gives_its_meaning_and_range(key: str) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{key}="))
    comment: list[str] = []
    while lines[at - 1].startswith("# "):
        at -= 1
        comment.insert(0, lines[at].removeprefix("# "))
    field = FIELDS[key][1]
    assert comment[0] == f"{field.description}."
    assert comment[-1] == f"Allowed: {allowed_text(field)}."


@pytest.mark.parametrize("key", FIELDS)
def test_a_number_has_a_unit_in_its_name_or_its_declaration(key: str) -> None:
    name, field = FIELDS[key]
    allowed = allowed_text(field)
    if allowed.startswith(("a number", "a whole number")) and not name.endswith("_port"):
        assert field_extra(field, "unit")
        assert "from" in allowed or "above" in allowed


def test_the_example_holds_no_secret() -> None:
    values = read_env_file(str(EXAMPLE)).values
    assert {key for key, (_, field) in FIELDS.items() if is_secret(field) and values[key]} == set()


def read_somewhere() -> str:
    """All that may read a setting: the program, without the declarations, and the scripts of the kit."""
    root = EXAMPLE.parent
    declared = set(root.glob("src/aster_operator/config/*_settings.py"))
    sources = [path for path in root.glob("src/aster_operator/**/*.py") if path not in declared]
    # Fields that are combined where they are declared are read there.
    combined = [
        line
        for path in declared
        for line in path.read_text(encoding="utf-8").splitlines()
        if "self." in line or "settings." in line
    ]
    scripts = root.glob("deploy/gce/*.sh")
    return "\n".join([path.read_text(encoding="utf-8") for path in (*sources, *scripts)] + combined)


def test_every_setting_is_read_or_says_that_it_has_no_effect() -> None:
    text = read_somewhere()
    unread = [
        key
        for key, (name, field) in FIELDS.items()
        if not re.search(rf"\.{name}\b|[\"']{name}[\"']|\b{key}\b", text)
    ]
    assert unread == [key for key, (_, field) in FIELDS.items() if field_extra(field, "has_effect") is False]
