"""Sub-accounts: opened and changed by the main wallet, listed by any agent (sections 2.3 and 4.8).

V3 alone. Changes are signed with the main wallet's own key, over the text that is sent; a new sub-account
signs the same text too, with its own wallet's key. They change the account once and are never repeated:
without a clear answer they raise UnknownOutcome, and `sub_accounts` or the balances tell what happened.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.errors import MissingCredentials
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.parameters import Parameters, encode_parameters
from aster_operator.exchange.wire.agents import SubAccountRecord
from aster_operator.exchange.wire.records import Acknowledged

__all__ = ["SubAccountCalls", "SubAccountStatus", "SubAccountTransfer"]


def _change(name: str) -> Endpoint:
    return Endpoint(method="POST", name=name, security=Security.SIGNED, weight=5, v1=None)


SUB_ACCOUNTS: Final = read("getSubAccountList", Security.SIGNED, 5, v1=None)
BIND: Final = _change("sub-accounts/bind")
CREATE: Final = _change("createSubAccount")
UPDATE: Final = _change("updateSubAccount")
TRANSFER: Final = _change("subAccountTransfer")


class SubAccountStatus(StrEnum):
    """A frozen sub-account can neither send nor receive transfers."""

    NORMAL = "NORMAL"
    FROZEN = "FROZEN"


class SubAccountTransfer(StrEnum):
    """From which wallet of the one account to which wallet of the other."""

    FUTURE_FUTURE = "FUTURE_FUTURE"
    FUTURE_SPOT = "FUTURE_SPOT"
    SPOT_FUTURE = "SPOT_FUTURE"
    SPOT_SPOT = "SPOT_SPOT"


class SubAccountCalls(Calls):
    """The accounts below a main account."""

    async def sub_accounts(self) -> list[SubAccountRecord]:
        """Return the main account and its sub-accounts. Any agent may ask.

        Raises RequestRefused. Weight 5. Section 4.8.
        """
        return await self._rest.call(SUB_ACCOUNTS, {}, list[SubAccountRecord])

    async def bind_sub_account(self, child: AgentCredentials, name: str) -> Acknowledged:
        """Make an existing wallet a sub-account called `name`; the venue must have listed it beforehand.

        `child` is the other wallet's own key. Raises MissingCredentials when the client's or the child's key
        is an agent's, RequestRefused, UnknownOutcome. Weight 5. Sections 2.3 and 4.8.
        """
        wallet = self._main_wallet(BIND)
        nonce_us = self._rest.next_nonce_us()
        parameters: Parameters = {
            "childAddress": child.user,
            "name": name,
            "nonce": nonce_us,
            "user": wallet.user,
        }
        return await self._send_by_wallet(BIND, wallet, parameters, nonce_us, child)

    async def create_sub_account(self, child: AgentCredentials, name: str) -> Acknowledged:
        """Open a sub-account called `name` for a new wallet.

        `child` is that wallet's own key. Raises MissingCredentials when the client's or the child's key is
        an agent's, RequestRefused, UnknownOutcome. Weight 5. Sections 2.3 and 4.8.
        """
        wallet = self._main_wallet(CREATE)
        nonce_us = self._rest.next_nonce_us()
        parameters: Parameters = {
            "subAccountName": name,
            "subSourceAddr": child.user,
            "nonce": nonce_us,
            "user": wallet.user,
            "signer": wallet.signer,
        }
        return await self._send_by_wallet(CREATE, wallet, parameters, nonce_us, child)

    async def update_sub_account(
        self, address: str, *, name: str | None = None, status: SubAccountStatus | None = None
    ) -> Acknowledged:
        """Rename, freeze or release the sub-account of wallet `address`; `name` or `status` is needed.

        Raises ValueError without either, MissingCredentials, RequestRefused, UnknownOutcome. Weight 5.
        Sections 2.3 and 4.8.
        """
        if name is None and status is None:
            raise ValueError("update_sub_account: give name, status or both")
        wallet = self._main_wallet(UPDATE)
        nonce_us = self._rest.next_nonce_us()
        parameters: Parameters = {
            "subSourceAddr": address,
            "nonce": nonce_us,
            "user": wallet.user,
            "signer": wallet.signer,
            "subAccountName": name,
            "status": status,
        }
        return await self._send_by_wallet(UPDATE, wallet, parameters, nonce_us)

    async def sub_account_transfer(
        self,
        to_address: str,
        asset: str,
        amount: Decimal,
        kind: SubAccountTransfer,
        *,
        from_address: str | None = None,
    ) -> Acknowledged:
        """Move `amount` of `asset` between a main account and its sub-accounts, or between these.

        The money leaves the account of the client's wallet, or `from_address` (a sub-account of it). The
        venue knows no id for it: never repeat one whose outcome is unknown before reading the balances.
        `to_address` is the receiving wallet. `kind` names both wallets. Raises ValueError for an amount that
        is not positive, MissingCredentials, RequestRefused, UnknownOutcome. Weight 5. Sections 2.3 and 4.8.
        """
        if not amount.is_finite() or amount <= 0:
            raise ValueError(f"sub_account_transfer: amount must be positive, was {amount}")
        wallet = self._main_wallet(TRANSFER)
        nonce_us = self._rest.next_nonce_us()
        parameters: Parameters = {
            "toAccountAddress": to_address,
            "asset": asset,
            "amount": amount,
            "kindType": kind,
            "nonce": nonce_us,
            "user": wallet.user,
            "signer": wallet.signer,
            "fromAccountAddress": from_address,
        }
        return await self._send_by_wallet(TRANSFER, wallet, parameters, nonce_us)

    async def _send_by_wallet(
        self,
        endpoint: Endpoint,
        wallet: AgentCredentials,
        parameters: Parameters,
        nonce_us: int,
        child: AgentCredentials | None = None,
    ) -> Acknowledged:
        """Sign as section 2.3 says: the child over the text, the main wallet over it and the child's."""
        chain_id = self._rest.venue.chain_id
        text = encode_parameters(parameters)
        if child is not None:
            if not child.is_main_wallet:
                where = f"{endpoint.method} {endpoint.name}"
                raise MissingCredentials(where, "the sub-account wallet's own key, not an agent's")
            text = f"{text}&childSignature={AgentSigner(child, chain_id).signature(text)}"
        signed = f"{text}&signature={AgentSigner(wallet, chain_id).signature(text)}"
        return await self._rest.send_signed(endpoint, signed, nonce_us, Acknowledged)
