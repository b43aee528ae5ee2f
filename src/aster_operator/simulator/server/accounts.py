"""Who may knock: accounts with API keys (V1) and agents (V3), and the demo accounts of a seed."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import heappop, heappush

from coincurve import PrivateKey
from eth_hash.auto import keccak

from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.eip712 import checksum_address

__all__ = [
    "Account",
    "AccountRegistry",
    "Agent",
    "ApiKey",
    "Builder",
    "DemoAccount",
    "NonceWindow",
    "demo_accounts",
]

_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
NONCES_KEPT = 100


class NonceWindow:
    """The last hundred nonces of an agent (section 2.2): a repeated one, or one older than all kept
    when the window is full, is refused."""

    __slots__ = ("_heap", "_known")

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._heap: list[int] = []

    def __contains__(self, nonce_us: int) -> bool:
        return nonce_us in self._known

    def use(self, nonce_us: int) -> None:
        """Raises VenueRefusal(-4225) for a replay."""
        if nonce_us in self._known:
            raise refusals.nonce_expired()
        if len(self._known) >= NONCES_KEPT:
            if nonce_us < self._heap[0]:
                raise refusals.nonce_expired()
            self._known.discard(heappop(self._heap))
        self._known.add(nonce_us)
        heappush(self._heap, nonce_us)


@dataclass(slots=True)
class ApiKey:
    """A V1 key of an account. The secret never leaves this object but through `matches`."""

    key: str
    account_id: str
    secret: str = field(repr=False)
    can_trade: bool = True

    def matches(self, signed_text: bytes, signature_hex: str) -> bool:
        expected = hmac.new(self.secret.encode(), signed_text, sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature_hex.lower().encode("utf-8", "replace"))


@dataclass(slots=True)
class Agent:
    """An API wallet that may sign for an account (section 4.8). `expires_ms` None = never."""

    address: str
    account_id: str
    name: str = ""
    expires_ms: int | None = None
    ip_whitelist: str = ""
    can_read: bool = True
    can_spot_trade: bool = True
    can_perp_trade: bool = True
    can_withdraw: bool = False


@dataclass(slots=True)
class Builder:
    """A builder an account has approved; `max_fee_rate` as the client wrote it."""

    address: str
    name: str
    max_fee_rate: str
    approved_ms: int


@dataclass(slots=True)
class Account:
    """A main wallet. `account_id` is its lower-case address, `user` the checksum spelling."""

    account_id: str
    user: str
    agents: dict[str, Agent] = field(default_factory=dict)
    builders: dict[str, Builder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Throw-away credentials derived from a seed; they open nothing but this exchange."""

    user: str
    signer: str
    private_key: str = field(repr=False)
    api_key: str
    api_secret: str = field(repr=False)
    wallet_private_key: str = field(repr=False)
    """Key of `user`; equals `private_key` for the first account, which is its own signer."""

    @property
    def account_id(self) -> str:
        return self.user.lower()

    def public_json(self) -> dict[str, str]:
        """The entry of `exchange serve --json`."""
        return {
            "user": self.user,
            "signer": self.signer,
            "private_key": self.private_key,
            "api_key": self.api_key,
            "api_secret": self.api_secret,
        }


def _private_key(seed: int, index: int, role: str) -> PrivateKey:
    material = keccak(f"aster-operator demo {role} {index} of seed {seed}".encode())
    return PrivateKey.from_int(int.from_bytes(material, "big") % (_CURVE_ORDER - 1) + 1)


def _address(key: PrivateKey) -> str:
    return checksum_address("0x" + keccak(key.public_key.format(compressed=False)[1:])[-20:].hex())


def demo_accounts(seed: int, count: int) -> tuple[DemoAccount, ...]:
    """`count` accounts, the same for the same seed; the first one signs for itself."""
    accounts = []
    for index in range(count):
        wallet = _private_key(seed, index, "wallet")
        agent = wallet if index == 0 else _private_key(seed, index, "agent")
        accounts.append(
            DemoAccount(
                user=_address(wallet),
                signer=_address(agent),
                private_key="0x" + agent.to_hex().rjust(64, "0"),
                api_key=sha256(f"demo api key {seed} {index}".encode()).hexdigest(),
                api_secret=sha256(f"demo api secret {seed} {index}".encode()).hexdigest(),
                wallet_private_key="0x" + wallet.to_hex().rjust(64, "0"),
            )
        )
    return tuple(accounts)


class AccountRegistry:
    """Every account, API key and agent the front door knows."""

    def __init__(self, accounts: Iterable[DemoAccount] = ()) -> None:
        self._accounts: dict[str, Account] = {}
        self._keys: dict[str, ApiKey] = {}
        self._nonces: dict[str, NonceWindow] = {}
        for account in accounts:
            self.add(account)

    def add(self, demo: DemoAccount) -> Account:
        """Register an account with its key and its agent."""
        account = self.open(demo.user)
        self.add_agent(Agent(address=demo.signer.lower(), account_id=account.account_id, name="demo"))
        self._keys[demo.api_key] = ApiKey(
            key=demo.api_key, account_id=account.account_id, secret=demo.api_secret
        )
        return account

    def open(self, user: str) -> Account:
        account_id = user.lower()
        if account_id not in self._accounts:
            self._accounts[account_id] = Account(account_id=account_id, user=checksum_address(account_id))
        return self._accounts[account_id]

    def add_agent(self, agent: Agent) -> None:
        self._accounts[agent.account_id].agents[agent.address] = agent

    def remove_agent(self, account_id: str, address: str) -> bool:
        return self._accounts[account_id].agents.pop(address.lower(), None) is not None

    def account(self, account_id: str) -> Account | None:
        return self._accounts.get(account_id.lower())

    def api_key(self, key: str) -> ApiKey | None:
        return self._keys.get(key)

    def accounts(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    def agent(self, signer: str, user: str | None) -> Agent:
        """The agent `signer` of `user`; without `user`, of the one account it signs for.

        A main wallet is always its own agent. Raises VenueRefusal(-2015) for a stranger.
        """
        address = signer.lower()
        if user is not None:
            owner = self._accounts.get(user.lower())
            candidates = [] if owner is None else [owner]
        else:
            candidates = [
                account
                for account in self._accounts.values()
                if address in account.agents or address == account.account_id
            ]
        if len(candidates) != 1:
            raise refusals.invalid_api_key()
        account = candidates[0]
        if address in account.agents:
            return account.agents[address]
        if address == account.account_id:
            return Agent(address=address, account_id=account.account_id, name="wallet", can_withdraw=True)
        raise refusals.invalid_api_key()

    def nonces(self, signer: str) -> NonceWindow:
        address = signer.lower()
        window = self._nonces.get(address)
        if window is None:
            window = self._nonces[address] = NonceWindow()
        return window
