"""Agents, builders, migration: calls of the main wallet (protocol reference, sections 2.3 and 4.8).

V3 alone. Changes need a client whose credentials are the main wallet's own (`user == signer`); reading needs
any agent.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

from aster_operator.domain.money import plain_text
from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.environment import CHAIN_ID_TESTNET
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.management import (
    MANAGEMENT_TYPES,
    SIGNATURE_CHAIN_EVM,
    ManagementSigner,
    ManagementValue,
)
from aster_operator.exchange.signing.parameters import encode_parameters
from aster_operator.exchange.wire.agents import (
    AgentRecord,
    AnnouncementPageRecord,
    AnnouncementRecord,
    BuilderRecord,
    DepositRecord,
    ManagementRecord,
    MigrationHistoryRecord,
    MigrationRecord,
    WithdrawInfoRecord,
)

__all__ = ["AgentCalls"]

Answer = TypeVar("Answer")
_SIGNED = Security.SIGNED
AGENTS: Final = read("agent", _SIGNED, v1=None)
BUILDERS: Final = read("builder", _SIGNED, v1=None)
MIGRATION_HISTORY: Final = read("asset/migrateUser/history", _SIGNED, 50, v1=None)
ANNOUNCEMENTS: Final = read("announcement/direct", _SIGNED, v1=None)
ANNOUNCEMENT: Final = read("announcement/directById", _SIGNED, v1=None)


def _management(method: str, name: str) -> Endpoint:
    return Endpoint(method=method, name=name, security=_SIGNED, v1=None)  # type: ignore[arg-type]


APPROVE_AGENT: Final = _management("POST", "approveAgent")
REGISTER: Final = Endpoint(
    method="POST", name="registerAndApproveAgent", security=_SIGNED, weight=50, v1=None
)
UPDATE_AGENT: Final = _management("POST", "updateAgent")
DELETE_AGENT: Final = _management("DELETE", "agent")
APPROVE_BUILDER: Final = _management("POST", "approveBuilder")
UPDATE_BUILDER: Final = _management("POST", "updateBuilder")
DELETE_BUILDER: Final = _management("DELETE", "builder")
WITHDRAW_INFO: Final = Endpoint(
    method="POST", name="aster/user-withdraw-info", security=_SIGNED, v1=0, repeatable=True
)
DEPOSIT_HISTORY: Final = Endpoint(
    method="POST", name="aster/deposit-withdraw-history", security=_SIGNED, v1=0, repeatable=True
)
MIGRATE: Final = Endpoint(method="POST", name="asset/migrateUser", security=_SIGNED, weight=50, v1=None)


class AgentCalls(Calls):
    """Who may act for the account."""

    async def agents(self) -> list[AgentRecord]:
        """Return the approved agents with their permissions.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.8.
        """
        return await self._rest.call(AGENTS, {}, list[AgentRecord])

    async def builders(self) -> list[BuilderRecord]:
        """Return the approved builders with their highest fees.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.8.
        """
        return await self._rest.call(BUILDERS, {}, list[BuilderRecord])

    async def approve_agent(
        self,
        agent_name: str,
        agent_address: str,
        *,
        expires_ms: int,
        can_spot_trade: bool = False,
        can_perp_trade: bool = True,
        can_withdraw: bool = False,
        ip_whitelist: str = "",
    ) -> ManagementRecord:
        """Let an agent act for the main wallet until `expires_ms`.

        `ip_whitelist`: addresses or CIDR ranges separated by spaces, required with `can_withdraw`.
        `agent_name` is for display. `agent_address` is the agent's (0x...). `can_spot_trade` and
        `can_perp_trade` are its rights. Raises MissingCredentials when the client's key is not the main
        wallet's. Weight 1. Sections 2.3 and 4.8.
        """
        if can_withdraw and not ip_whitelist:
            raise ValueError("an agent that can withdraw needs an ip_whitelist")
        return await self._manage(
            APPROVE_AGENT,
            "ApproveAgent",
            {
                "agentName": agent_name,
                "agentAddress": agent_address,
                "ipWhitelist": ip_whitelist,
                "expired": expires_ms,
                "canSpotTrade": can_spot_trade,
                "canPerpTrade": can_perp_trade,
                "canWithdraw": can_withdraw,
            },
        )

    async def register_and_approve_agent(
        self,
        agent_name: str,
        agent_address: str,
        *,
        expires_ms: int,
        can_spot_trade: bool = False,
        can_perp_trade: bool = True,
        can_withdraw: bool = False,
        ip_whitelist: str = "",
    ) -> ManagementRecord:
        """Register the main wallet and approve its first agent in one call.

        Parameters and errors as `approve_agent`; signed as one message under the wallet's chain. `agent_name`
        is for display. `agent_address` is the agent's (0x...). `expires_ms` is when it ends (ms UTC).
        `can_spot_trade`, `can_perp_trade` and `can_withdraw` are its rights. `ip_whitelist`: addresses or
        CIDR ranges, separated by spaces. Weight 50. Section 2.3.
        """
        wallet = self._main_wallet(REGISTER)
        nonce_us = self._rest.next_nonce_us()
        text = encode_parameters(
            {
                "user": wallet.user,
                "nonce": nonce_us,
                "agentName": agent_name,
                "agentAddress": agent_address,
                "expired": expires_ms,
                "signatureChainId": SIGNATURE_CHAIN_EVM,
                "canSpotTrade": can_spot_trade,
                "canPerpTrade": can_perp_trade,
                "canWithdraw": can_withdraw,
                "ipWhitelist": ip_whitelist,
            }
        )
        signature = AgentSigner(wallet, SIGNATURE_CHAIN_EVM).signature(text)
        return await self._rest.send_signed(
            REGISTER, f"{text}&signature={signature}", nonce_us, ManagementRecord
        )

    async def update_agent(
        self,
        agent_address: str,
        *,
        can_spot_trade: bool,
        can_perp_trade: bool,
        can_withdraw: bool,
        ip_whitelist: str = "",
    ) -> ManagementRecord:
        """Change what an agent may do.

        `agent_address` is the agent's (0x...). `can_spot_trade`, `can_perp_trade` and `can_withdraw` are its
        rights. `ip_whitelist`: addresses or CIDR ranges, separated by spaces. Raises as `approve_agent`.
        Weight 1. Sections 2.3 and 4.8.
        """
        return await self._manage(
            UPDATE_AGENT,
            "UpdateAgent",
            {
                "agentAddress": agent_address,
                "ipWhitelist": ip_whitelist,
                "canSpotTrade": can_spot_trade,
                "canPerpTrade": can_perp_trade,
                "canWithdraw": can_withdraw,
            },
        )

    async def delete_agent(self, agent_address: str) -> ManagementRecord:
        """Withdraw the approval of an agent.

        `agent_address` is the agent's (0x...). Raises as `approve_agent`. Weight 1. Sections 2.3 and 4.8.
        """
        return await self._manage(DELETE_AGENT, "DelAgent", {"agentAddress": agent_address})

    async def approve_builder(
        self, builder: str, *, max_fee_rate: Decimal, builder_name: str
    ) -> ManagementRecord:
        """Let a builder charge up to `max_fee_rate` (fraction).

        `builder` is its address. `builder_name` is for display. Raises as `approve_agent`. Weight 1. Section
        4.8.
        """
        values: dict[str, ManagementValue] = {
            "builder": builder,
            "maxFeeRate": plain_text(max_fee_rate),
            "builderName": builder_name,
        }
        return await self._manage(APPROVE_BUILDER, "ApproveBuilder", values)

    async def update_builder(self, builder: str, *, max_fee_rate: Decimal) -> ManagementRecord:
        """Change a builder's highest fee.

        `builder` is its address. `max_fee_rate` is a fraction. Raises as `approve_agent`. Weight 1. Section
        4.8.
        """
        values: dict[str, ManagementValue] = {"builder": builder, "maxFeeRate": plain_text(max_fee_rate)}
        return await self._manage(UPDATE_BUILDER, "UpdateBuilder", values)

    async def delete_builder(self, builder: str) -> ManagementRecord:
        """Withdraw the approval of a builder.

        `builder` is its address. Raises as `approve_agent`. Weight 1. Section 4.8.
        """
        return await self._manage(DELETE_BUILDER, "DelBuilder", {"builder": builder})

    async def migrate_assets(self, *, destination_api_key: str | None = None) -> MigrationRecord:
        """Move all assets of this wallet to the account of `destination_api_key`, an API key of that account.

        No position or order may be open (-4067, -4068). Ask `migration_history` with the batch id that is
        returned; without one nothing was there to be moved. Raises as `approve_agent`. Weight 50.
        Section 4.8.
        """
        headers = {} if destination_api_key is None else {"X-MBX-APIKEY": destination_api_key}
        return await self._send(MIGRATE, "UserAssetMigrate", {}, MigrationRecord, headers)

    async def migration_history(self, batch_id: str) -> MigrationHistoryRecord:
        """Return what became of each asset of one migration.

        `batch_id` is from `migrate_assets`. Raises RequestRefused, TransportFailed, MalformedResponse. Weight
        50. Section 4.8.
        """
        return await self._rest.call(MIGRATION_HISTORY, {"batchId": batch_id}, MigrationHistoryRecord)

    async def announcements(
        self, *, page: int | None = None, size: int | None = None
    ) -> AnnouncementPageRecord:
        """Return a page of announcements meant for this account.

        Pages begin at 1, `size` is 20 unless given. `page` begins at 1. Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 1. Section 4.8.
        """
        return await self._rest.call(ANNOUNCEMENTS, {"page": page, "size": size}, AnnouncementPageRecord)

    async def announcement(self, announcement_id: int) -> AnnouncementRecord:
        """Return one announcement.

        `announcement_id` is from `announcements`. Raises RequestRefused, TransportFailed, MalformedResponse.
        Weight 1. Section 4.8.
        """
        return await self._rest.call(ANNOUNCEMENT, {"id": announcement_id}, AnnouncementRecord)

    async def withdraw_info(self) -> WithdrawInfoRecord:
        """Return how much may still be withdrawn, in USD and by asset and chain.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.8.
        """
        return await self._rest.call(WITHDRAW_INFO, {}, WithdrawInfoRecord)

    async def deposit_withdraw_history(self) -> list[DepositRecord]:
        """Return deposits and withdrawals of the account.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.8.
        """
        return await self._rest.call(DEPOSIT_HISTORY, {}, list[DepositRecord])

    async def _manage(
        self, endpoint: Endpoint, primary_type: str, values: Mapping[str, ManagementValue]
    ) -> ManagementRecord:
        return await self._send(endpoint, primary_type, values, ManagementRecord, {})

    async def _send(
        self,
        endpoint: Endpoint,
        primary_type: str,
        values: Mapping[str, ManagementValue],
        answer: type[Answer],
        headers: Mapping[str, str],
    ) -> Answer:
        wallet = self._main_wallet(endpoint)
        signer = ManagementSigner(wallet, SIGNATURE_CHAIN_EVM)
        testnet = self._rest.venue.chain_id == CHAIN_ID_TESTNET
        nonce_us = self._rest.next_nonce_us()
        complete: dict[str, ManagementValue] = {
            **values,
            "asterChain": "Testnet" if testnet else "Mainnet",
            "user": wallet.user,
            "nonce": nonce_us,
        }
        # Sent in the order of the typed data, so that a server that rebuilds either finds the same.
        ordered = {name: complete[name] for name, _ in MANAGEMENT_TYPES[primary_type]}
        signature = signer.signature(primary_type, ordered)
        text = encode_parameters({**ordered, "signatureChainId": SIGNATURE_CHAIN_EVM, "signature": signature})
        return await self._rest.send_signed(endpoint, text, nonce_us, answer, headers=headers)
