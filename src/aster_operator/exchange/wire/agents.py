"""Answers about agents, builders, sub-accounts, migrations, withdrawals and announcements (section 4.8)."""

from decimal import Decimal

from aster_operator.exchange.wire.records import Record

__all__ = [
    "AgentRecord",
    "AnnouncementPageRecord",
    "AnnouncementRecord",
    "AnnouncementTextRecord",
    "AssetWithdrawRecord",
    "BuilderRecord",
    "ChainWithdrawRecord",
    "DepositRecord",
    "ManagementRecord",
    "MigratedAssetRecord",
    "MigrationHistoryRecord",
    "MigrationRecord",
    "SubAccountRecord",
    "WithdrawInfoRecord",
]


class ManagementRecord(Record, frozen=True):
    """What the venue says to a change of agents or builders; a refusal is raised, not returned."""

    code: int | str | None = None
    msg: str | None = None


class AgentRecord(Record, frozen=True):
    """An approved agent and what it may do; `expired` in ms, `ip_whitelist` separated by spaces."""

    agent_address: str
    agent_name: str | None = None
    ip_whitelist: str | None = None
    expired: int | None = None
    source: str | None = None
    can_read: bool | None = None
    can_spot_trade: bool | None = None
    can_perp_trade: bool | None = None
    can_withdraw: bool | None = None


class BuilderRecord(Record, frozen=True):
    """An approved builder; `max_fee_rate` is a fraction, sent as number or text."""

    builder_address: str
    max_fee_rate: Decimal
    user_address: str | None = None
    builder_name: str | None = None


class DepositRecord(Record, frozen=True):
    """A deposit or a withdrawal; `state` is the venue's word."""

    id: str
    type: str
    asset: str
    amount: Decimal
    state: str
    time: int
    tx_hash: str | None = None
    chain_id: int | None = None
    account_type: str | None = None


class SubAccountRecord(Record, frozen=True):
    """The main account (`parent_account`) or a sub-account of it."""

    account_id: int
    sub_account_name: str
    parent_account: bool


class MigrationRecord(Record, frozen=True):
    """A migration that was begun; no `batch_id` when there was nothing to move."""

    batch_id: str | None = None


class MigratedAssetRecord(Record, frozen=True):
    """One asset of a migration; `status` I pending, S done, F failed."""

    id: int
    asset: str
    amount: Decimal
    status: str
    tran_id: int | None = None
    from_status: str | None = None
    from_error_code: int | str | None = None
    to_status: str | None = None
    to_error_code: int | str | None = None


class MigrationHistoryRecord(Record, frozen=True):
    """How far a migration is: counts of assets, and each of them."""

    batch_id: str
    total_count: int
    success_count: int
    processing_count: int
    fail_count: int
    init_count: int
    details: list[MigratedAssetRecord]


class AnnouncementTextRecord(Record, frozen=True):
    """An announcement in one language."""

    language: str
    title: str
    content: str
    subtitle: str | None = None


class AnnouncementRecord(Record, frozen=True):
    """An announcement; `publish_time` in ms."""

    id: int
    contents: list[AnnouncementTextRecord]
    category: str | None = None
    publish_time: int | None = None
    jump_link: str | None = None


class AnnouncementPageRecord(Record, frozen=True):
    """One page; `total` counts all announcements."""

    total: int
    rows: list[AnnouncementRecord]


class ChainWithdrawRecord(Record, frozen=True):
    """What can leave over one chain, in units of the asset."""

    chain_id: int
    spot_max_withdraw_amount: Decimal
    perp_max_withdraw_amount: Decimal
    chain_limit: Decimal
    withdraw_fee: Decimal


class AssetWithdrawRecord(Record, frozen=True):
    """What can leave of one asset; `daily_limit` in USD, `chain_balances` by chain id."""

    currency: str
    spot_total_withdraw_amount: Decimal
    perp_total_withdraw_amount: Decimal
    daily_limit: Decimal
    chain_balances: dict[str, ChainWithdrawRecord]


class WithdrawInfoRecord(Record, frozen=True):
    """Limits in USD, of the account and of the venue, and what of each asset is free to leave."""

    user_daily_limit: Decimal
    user_remaining_daily_limit: Decimal
    total_daily_limit: Decimal
    total_remaining_daily_limit: Decimal
    balances: dict[str, AssetWithdrawRecord]
