"""Keys of the mid-frequency strategy and of its deployment kit, under the names its operators know."""

from decimal import Decimal

from pydantic import BaseModel

from aster_operator.config.fields import (
    OptionalSecretText,
    OptionalSymbols,
    Symbols,
    TimeOfDayUtc,
    WholeNumbers,
    setting,
)

__all__ = ["DeploymentSettings", "MidfreqSettings"]

_DATE_FORM = "a date, YYYY-MM-DD"


class MidfreqSettings(BaseModel):
    """Signals, sizing, exits and schedule of `midfreq`. Lengths of windows are closed one-minute bars."""

    midfreq_enable_trading: bool = setting(
        "ASTER_ENABLE_TRADING", False, "Send orders; false: signals and logs only"
    )
    midfreq_symbols: Symbols = setting(
        "ASTER_SYMBOLS", ("ETHUSDT",), "Symbols to watch and trade", form="a list of symbols, BTCUSDT,ETHUSDT"
    )
    midfreq_poll_time_s: int = setting(
        "ASTER_POLL_TIME", 600, "How long a session runs", unit="seconds", ge=1, le=604_800
    )
    midfreq_log_dir: str = setting("ASTER_LOG_DIR", "logs", "Directory of the CSV logs", form="a path")
    midfreq_update_logs: bool = setting("ASTER_UPDATE_LOGS", True, "Write the CSV logs")
    midfreq_delete_logs: bool = setting("ASTER_DELETE_LOGS", False, "Delete earlier CSV logs at the start")
    midfreq_config_file: str | None = setting(
        "ASTER_CONFIG_CURRENT_FILE", None, "JSON file with the parameters of each symbol", form="a path"
    )

    # --- sizing -----------------------------------------------------------------------------------------
    midfreq_target_leverage: int = setting(
        "ASTER_TARGET_LEVERAGE", 25, "Leverage set before the first order", unit="times", ge=1, le=125
    )
    midfreq_risk_pct: Decimal = setting(
        "ASTER_RISK_PCT", Decimal(1), "Margin of one entry", unit="% of the day's first balance", gt=0, le=100
    )
    midfreq_order_notional_usd: Decimal | None = setting(
        "ASTER_ORDER_NOTIONAL",
        None,
        "Notional of one entry; unset: from balance, risk and leverage",
        unit="USD",
        gt=0,
    )
    midfreq_taker_fee_bps: Decimal = setting(
        "ASTER_TAKER_FEE_BPS",
        Decimal(4),
        "Taker fee when the account's own rate is unknown",
        unit="bps",
        ge=0,
        le=100,
    )

    # --- signals ----------------------------------------------------------------------------------------
    midfreq_momentum_k: Decimal = setting(
        "ASTER_K",
        Decimal("1.3"),
        "Entry when a bar's return exceeds this many volatilities",
        unit="times",
        gt=0,
        le=100,
    )
    midfreq_volatility_window_min: int = setting(
        "ASTER_T", 30, "Window of the volatility", unit="minutes", ge=2, le=1_440
    )
    midfreq_volume_ratio_n: Decimal = setting(
        "ASTER_N",
        Decimal("1.3"),
        "Entry when a bar's volume exceeds this many averages",
        unit="times",
        gt=0,
        le=100,
    )
    midfreq_volume_window_min: int = setting(
        "ASTER_V", 30, "Window of the average volume", unit="minutes", ge=2, le=1_440
    )
    midfreq_max_spread_quote: Decimal | None = setting(
        "ASTER_MAX_SPREAD",
        None,
        "Accepted for old files: the venue tells every tick, so ASTER_MAX_SPREAD_TICKS decides",
        unit="units of price",
        gt=0,
        has_effect=False,
    )
    midfreq_max_spread_ticks: Decimal = setting(
        "ASTER_MAX_SPREAD_TICKS", Decimal(2), "Widest spread for an entry", unit="ticks", gt=0, le=1_000
    )
    midfreq_max_funding_abs_bps: Decimal = setting(
        "ASTER_MAX_FUNDING_ABS_BPS",
        Decimal("1.5"),
        "No entry beyond this funding, either sign",
        unit="bps",
        gt=0,
        le=1_000,
    )

    # --- exits ------------------------------------------------------------------------------------------
    midfreq_take_profit_bps: Decimal = setting(
        "ASTER_TAKE_PROFIT_BPS", Decimal(20), "Take-profit distance", unit="bps from entry", gt=0, le=10_000
    )
    midfreq_stop_loss_bps: Decimal = setting(
        "ASTER_STOP_LOSS_BPS", Decimal(12), "Stop distance", unit="bps from entry", gt=0, le=10_000
    )
    midfreq_trailing_activation_bps: Decimal = setting(
        "ASTER_TRAILING_ACTIVATION_BPS",
        Decimal(8),
        "Profit that arms the trailing stop",
        unit="bps",
        gt=0,
        le=10_000,
    )
    midfreq_trailing_activation_buffer_bps: Decimal = setting(
        "ASTER_TRAILING_ACTIVATION_BUFFER_BPS",
        Decimal("0.5"),
        "Added to break-even before the trailing stop may arm",
        unit="bps",
        ge=0,
        le=1_000,
    )
    midfreq_trailing_callback_bps: Decimal = setting(
        "ASTER_TRAILING_CALLBACK_BPS", Decimal(6), "Distance of the trailing stop", unit="bps", gt=0, le=1_000
    )
    midfreq_min_take_profit_gap_bps: Decimal = setting(
        "ASTER_MIN_TAKE_PROFIT_GAP_BPS",
        Decimal(4),
        "Least distance from trailing activation to take-profit",
        unit="bps",
        ge=0,
        le=1_000,
    )
    midfreq_margin_safety_multiple: Decimal = setting(
        "ASTER_MARGIN_SAFETY_MULTIPLE",
        Decimal("1.2"),
        "Close everything at this margin balance over maintenance margin",
        unit="times",
        ge=1,
        le=100,
    )
    midfreq_daily_drawdown_blocker_pct: Decimal = setting(
        "ASTER_DAILY_DRAWDOWN_BLOCKER_PCT",
        Decimal(5),
        "No entries for the rest of the UTC day below this",
        unit="% of the day's peak",
        gt=0,
        le=100,
    )
    midfreq_reentry_cooldown_min: int = setting(
        "ASTER_REENTRY_COOLDOWN_MIN",
        10,
        "Wait after an exit before the next entry",
        unit="minutes",
        ge=0,
        le=1_440,
    )
    midfreq_entry_halt_utc: TimeOfDayUtc = setting(
        "ASTER_ENTRY_HALT_UTC", "23:00", "No entries from here to the end of the day", form="HH:MM in UTC"
    )
    midfreq_force_exit_utc: TimeOfDayUtc = setting(
        "ASTER_FORCE_EXIT_UTC", "23:50", "Everything is closed from here on", form="HH:MM in UTC"
    )
    midfreq_exits_with_entry: bool = setting(
        "ASTER_EXITS_WITH_ENTRY",
        False,
        "Stop and target travel in the entry's own request (V3 keys); the entry is then a limit order, its "
        "rest cancelled at once",
    )
    midfreq_protect_deadline_ms: int = setting(
        "ASTER_PROTECT_DEADLINE_MS",
        500,
        "A fill whose exits do not rest after this is closed",
        unit="ms",
        ge=50,
        le=60_000,
    )
    midfreq_max_open_positions: int = setting(
        "ASTER_MAX_OPEN_POSITIONS",
        0,
        "Positions held at once; 0: one for each symbol",
        unit="positions",
        ge=0,
        le=1_000,
    )
    midfreq_max_consecutive_losses: int = setting(
        "ASTER_MAX_CONSECUTIVE_LOSSES",
        0,
        "Losses in a row that end the UTC day's entries; 0: no limit",
        unit="trades",
        ge=0,
        le=1_000,
    )


class DeploymentSettings(BaseModel):
    """Read by the scripts of the deployment kit and its commands: secrets, uploads, backtest runs, mail."""

    api_key_secret_name: str | None = setting(
        "ASTER_API_KEY_SECRET_NAME", None, "Secret-manager name of the V1 key; unset: not fetched"
    )
    api_secret_secret_name: str | None = setting(
        "ASTER_API_SECRET_SECRET_NAME", None, "Secret-manager name of the V1 secret; unset: not fetched"
    )
    secret_dir: str | None = setting(
        "ASTER_SECRET_DIR",
        None,
        "Accepted for old files: secrets are kept encrypted by systemd, in no directory in clear",
        form="a path",
        has_effect=False,
    )
    bq_enable_daily_batch: bool = setting(
        "ASTER_BQ_ENABLE_DAILY_BATCH", False, "Load days that data upload sends into BigQuery too"
    )
    bq_enable_backtest_upload: bool = setting(
        "ASTER_BQ_ENABLE_BACKTEST_UPLOAD", False, "Upload the results of backtest weekly to BigQuery"
    )
    bq_project: str | None = setting("ASTER_BQ_PROJECT", None, "BigQuery project")
    bq_dataset: str = setting("ASTER_BQ_DATASET", "aster", "BigQuery dataset")
    bq_location: str = setting("ASTER_BQ_LOCATION", "US", "BigQuery location")
    log_retention_days: int = setting(
        "ASTER_LOG_RETENTION_DAYS",
        7,
        "Age at which logs, reports and backups are removed, and days that were uploaded",
        unit="days",
        ge=1,
        le=3_650,
    )
    backtest_config_file: str | None = setting(
        "ASTER_BACKTEST_CONFIG_FILE",
        None,
        "JSON file with the parameter grid of backtest weekly",
        form="a path",
    )
    backtest_config_map_csv: str | None = setting(
        "ASTER_BACKTEST_CONFIG_MAP_CSV",
        None,
        "Output: parameters of each config; unset: dated name",
        form="a path",
    )
    backtest_ranked_csv: str | None = setting(
        "ASTER_BACKTEST_RANKED_CSV", None, "Output: ranked results; unset: dated name", form="a path"
    )
    backtest_inputs_csv: str | None = setting(
        "ASTER_BACKTEST_INPUTS_CSV", None, "Feature table, written or taken; unset: dated name", form="a path"
    )
    backtest_build_inputs: bool = setting(
        "ASTER_BACKTEST_BUILD_INPUTS",
        True,
        "Build the feature table first; false: take the one that is there",
    )
    backtest_query_symbols: OptionalSymbols = setting(
        "ASTER_BACKTEST_QUERY_SYMBOLS",
        None,
        "Symbols of the feature table; unset: ASTER_SYMBOLS",
        form="a list of symbols",
    )
    backtest_start_date: str | None = setting(
        "ASTER_BACKTEST_START_DATE",
        None,
        "First day of the feature table; unset: six days before the last",
        form=_DATE_FORM,
    )
    backtest_end_date: str | None = setting(
        "ASTER_BACKTEST_END_DATE",
        None,
        "Last day of the feature table; unset: the day before the run",
        form=_DATE_FORM,
    )
    backtest_feature_windows_min: WholeNumbers = setting(
        "ASTER_BACKTEST_FEATURE_WINDOWS",
        (10, 30, 60),
        "Windows of the features in minutes, and those of the grid",
        form="a list, 10,30,60",
    )
    backtest_chunk_size: int = setting(
        "ASTER_BACKTEST_CHUNK_SIZE",
        1_000,
        "Configs evaluated at a time: fewer need less memory, results are equal",
        unit="configs",
        ge=1,
        le=1_000_000,
    )
    backtest_retention_days: int = setting(
        "ASTER_BACKTEST_RETENTION_DAYS",
        28,
        "Age at which backtest outputs are removed",
        unit="days",
        ge=1,
        le=3_650,
    )
    backtest_run_date: str | None = setting(
        "ASTER_BACKTEST_RUN_DATE", None, "Day in the output names; unset: today", form=_DATE_FORM
    )
    email_prod_enable: bool = setting("ASTER_EMAIL_PROD_ENABLE", False, "Mail the daily report")
    email_backtest_enable: bool = setting("ASTER_EMAIL_BACKTEST_ENABLE", False, "Mail backtest reports")
    email_backtest_on_completion: bool = setting(
        "ASTER_EMAIL_BACKTEST_ON_COMPLETION", False, "Mail each backtest report when its run ends"
    )
    email_trade_alert_enable: bool = setting(
        "ASTER_EMAIL_TRADE_ALERT_ENABLE", False, "Mail every completed trade"
    )
    email_smtp_host: str | None = setting("ASTER_EMAIL_SMTP_HOST", None, "Mail server")
    email_smtp_port: int = setting("ASTER_EMAIL_SMTP_PORT", 587, "Mail server's port", ge=1, le=65_535)
    email_smtp_user: str | None = setting("ASTER_EMAIL_SMTP_USER", None, "Mail account")
    email_smtp_pass: OptionalSecretText = setting(
        "ASTER_EMAIL_SMTP_PASS",
        None,
        "Mail password",
        form="the password itself, credential:NAME, gcp:NAME or keyring:SERVICE/NAME",
    )
    email_smtp_pass_secret_name: str | None = setting(
        "ASTER_EMAIL_SMTP_PASS_SECRET_NAME",
        None,
        "Secret-manager name of the mail password; unset: not fetched",
    )
    email_to_prod: str | None = setting(
        "ASTER_EMAIL_TO_PROD", None, "Receivers of the daily report, comma list"
    )
    email_to_backtest: str | None = setting(
        "ASTER_EMAIL_TO_BACKTEST", None, "Receivers of backtest reports, comma list"
    )
