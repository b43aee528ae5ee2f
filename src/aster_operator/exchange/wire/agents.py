"""Answers about agents, builders and deposits (protocol reference, section 4.8)."""

from decimal import Decimal

from aster_operator.exchange.wire.records import Record

__all__ = ["AgentRecord", "BuilderRecord", "DepositRecord"]


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
