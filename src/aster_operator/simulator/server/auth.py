"""Authentication of a request over its raw bytes (protocol reference, sections 2.1, 2.2 and 2.6)."""

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from urllib.parse import urlencode

from aster_operator.domain.clock import Clock
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import AccountRegistry, Agent
from aster_operator.simulator.server.eip712 import message_digest, recover_address
from aster_operator.simulator.server.legacy_v3 import legacy_hash, legacy_signer
from aster_operator.simulator.server.messages import WireRequest
from aster_operator.simulator.server.params import Params, form_pairs, is_form_body

__all__ = [
    "SPOT_PREFIX",
    "AuthSettings",
    "Authenticator",
    "Identity",
    "Permission",
    "Security",
    "signature_bytes",
    "signed_by",
    "split_signature",
]

DEFAULT_RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
AHEAD_TOLERANCE_MS = 1_000
SPOT_PREFIX = "/api/"


class Security(Enum):
    """What an endpoint demands (section 1.3)."""

    NONE = auto()
    MARKET_DATA = auto()
    USER_STREAM = auto()
    USER_DATA = auto()
    TRADE = auto()
    TRANSFER = auto()
    WALLET = auto()
    """Signed by the main wallet inside the payload; the endpoint verifies it itself."""


_ANYBODY = (Security.NONE, Security.MARKET_DATA, Security.WALLET)


class Permission(Enum):
    READ = auto()
    TRADE = auto()
    TRANSFER = auto()


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """`chain_id` 1666 is main, 714 testnet. `strict_signatures` verifies the raw text only, without the
    re-encoded candidates some HTTP libraries make necessary. `nonce_window_ms` is the allowed distance
    of a nonce from the security clock. `legacy_v3` also accepts the retired scheme of section 2.5, whose
    requests carry a `timestamp` beside the nonce."""

    chain_id: int = 1666
    nonce_window_ms: int = 60_000
    strict_signatures: bool = False
    legacy_v3: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request acts for. `nonce_us` and `signer` are those of a V3 request."""

    account_id: str
    nonce_us: int | None = None
    signer: str | None = None


def split_signature(raw_query: bytes, body: bytes) -> tuple[bytes, bytes, str | None]:
    """(query, body, signature) with `signature`, mostly the last, taken out of the part that carries it."""
    query, signature = _strip(raw_query)
    if signature is None:
        body, signature = _strip(body)
    return query, body, signature


def _strip(part: bytes) -> tuple[bytes, str | None]:
    if part.startswith(b"signature=") and b"&" not in part:
        return b"", part[len(b"signature=") :].decode("latin-1")
    head, marker, value = part.rpartition(b"&signature=")
    if marker and b"&" not in value:
        return head, value.decode("latin-1")
    return _strip_anywhere(part) if b"signature=" in part else (part, None)


def _strip_anywhere(part: bytes) -> tuple[bytes, str | None]:
    """An official demonstration program sorts its parameters after signing, `signature` among them."""
    segments = part.split(b"&")
    for index, segment in enumerate(segments):
        if segment.startswith(b"signature="):
            value = segment[len(b"signature=") :].decode("latin-1")
            return b"&".join(segments[:index] + segments[index + 1 :]), value
    return part, None


def _signed_texts(query: bytes, body: bytes) -> tuple[bytes, ...]:
    """What may have been signed: query and body together, or the query alone where the body only repeats it.

    An official demonstration program signs the query and sends the same parameters in the body again. The
    query wins for a name that is in both, so a body without names of its own cannot smuggle anything in.
    """
    if not (query and body):
        return (query + body,)
    together = query + b"&" + body
    names = {name for name, _ in form_pairs(query)}
    if all(name in names for name, _ in form_pairs(body)):
        return together, query
    return (together,)


def signature_bytes(text: str) -> bytes | None:
    """The bytes of a signature with or without `0x`, None for what is not hexadecimal."""
    try:
        return bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))
    except ValueError:
        return None


def signed_by(message: bytes, signature_hex: str, signer: str, settings: AuthSettings) -> bool:
    """Whether `signer` has signed the parameter string, in any of the readings of section 2.6."""
    signature, address = signature_bytes(signature_hex), signer.lower()
    if signature is None:
        return False
    if recover_address(message_digest(message, settings.chain_id), signature) == address:
        return True
    if settings.strict_signatures:
        return False
    # Some HTTP libraries re-write escapes after signing, and one official demo signs unescaped text.
    pairs = form_pairs(message)
    candidates = (urlencode(pairs), "&".join(f"{name}={value}" for name, value in pairs))
    return any(
        recover_address(message_digest(text.encode(), settings.chain_id), signature) == address
        for text in candidates
        if text.encode() != message
    )


def _is_listed(peer: str, whitelist: str) -> bool:
    """True without a list; entries are addresses or networks, separated by spaces, or commas as some do."""
    if not whitelist:
        return True
    entries = whitelist.replace(",", " ").split()
    if not entries:
        return True
    try:
        address = ip_address(peer)
        return any(address in ip_network(entry, strict=False) for entry in entries)
    except ValueError:
        return False


class Authenticator:
    """Verifies both schemes. `clock` is the security clock: wall time, not market time."""

    def __init__(self, registry: AccountRegistry, clock: Clock, settings: AuthSettings) -> None:
        self._registry = registry
        self._clock = clock
        self._settings = settings

    def identify(
        self, request: WireRequest, params: Params, security: Security, *, reuses_nonce: bool = False
    ) -> Identity | None:
        """Who sent `request`; None where the endpoint asks nobody.

        `reuses_nonce` is for calls that name an earlier nonce (noop, guarded cancel): its age is not
        checked and it is not consumed here. Raises VenueRefusal with the codes of section 8.2.
        """
        if security in _ANYBODY:
            return None
        if "signer" in params or ("nonce" in params and "x-mbx-apikey" not in request.headers):
            return self._identify_agent(request, params, security, reuses_nonce)
        return self._identify_key(request, params, security)

    # --- V1 -----------------------------------------------------------------------------------------

    def _identify_key(self, request: WireRequest, params: Params, security: Security) -> Identity:
        key_text = request.headers.get("x-mbx-apikey") or ""
        if not key_text or not key_text.isascii() or len(key_text) > 256:
            raise refusals.api_key_format()
        key = self._registry.api_key(key_text)
        if key is None:
            raise refusals.invalid_api_key()
        if security is Security.USER_STREAM:
            # The header alone opens a listen key; a signature some clients add is ignored (section 2.1).
            return Identity(key.account_id)
        timestamp_ms = params.integer("timestamp")
        body = request.body if is_form_body(request.body) else b""
        query, body, signature = split_signature(request.raw_query, body)
        if not signature:
            raise refusals.mandatory_parameter("signature")
        if not key.matches(query + body, signature):
            raise refusals.invalid_signature()
        self._check_timestamp(timestamp_ms, params)
        if security is not Security.USER_DATA and not key.can_trade:
            raise refusals.invalid_api_key()
        return Identity(key.account_id)

    def _check_timestamp(self, timestamp_ms: int, params: Params) -> None:
        window_ms = params.optional_integer("recvWindow", low=0, high=MAX_RECV_WINDOW_MS)
        if window_ms is None:
            window_ms = DEFAULT_RECV_WINDOW_MS
        now_ms = self._clock.now_ms()
        if timestamp_ms >= now_ms + AHEAD_TOLERANCE_MS:
            raise refusals.timestamp_ahead()
        if now_ms - timestamp_ms > window_ms:
            raise refusals.timestamp_outside_window()

    # --- V3 -----------------------------------------------------------------------------------------

    def _identify_agent(
        self, request: WireRequest, params: Params, security: Security, reuses_nonce: bool
    ) -> Identity:
        signer = params.text("signer")
        nonce_us = params.integer("nonce", low=0)
        body = request.body if is_form_body(request.body) else b""
        query, body, signature = split_signature(request.raw_query, body)
        if not signature:
            raise refusals.mandatory_parameter("signature")
        texts = _signed_texts(query, body)
        if not any(signed_by(text, signature, signer, self._settings) for text in texts):
            self._check_legacy(params, signature, signer, nonce_us)
        agent = self._registry.agent(signer, params.optional_text("user"))
        self._check_agent(agent, security, request)
        if not reuses_nonce:
            self._check_nonce_age(nonce_us)
            self._registry.nonces(signer).use(nonce_us)
        return Identity(agent.account_id, nonce_us, signer.lower())

    def _check_legacy(self, params: Params, signature_hex: str, signer: str, nonce_us: int) -> None:
        """Raises VenueRefusal: -1022 for a signature that is none of the retired scheme's either, -1021."""
        if not self._settings.legacy_v3 or "timestamp" not in params:
            raise refusals.invalid_signature()
        try:
            hashed = legacy_hash(params, params.text("user"), signer, nonce_us)
        except ValueError:
            raise refusals.invalid_signature() from None
        signature = signature_bytes(signature_hex)
        if signature is None or legacy_signer(hashed, signature) != signer.lower():
            raise refusals.invalid_signature()
        self._check_timestamp(params.integer("timestamp"), params)

    def _check_agent(self, agent: Agent, security: Security, request: WireRequest) -> None:
        if agent.expires_ms is not None and agent.expires_ms <= self._clock.now_ms():
            raise refusals.invalid_api_key()
        if security is Security.TRADE:
            is_spot = request.path.startswith(SPOT_PREFIX)
            allowed = agent.can_spot_trade if is_spot else agent.can_perp_trade
        elif security is Security.TRANSFER:
            allowed = agent.can_withdraw or agent.can_perp_trade
        else:
            allowed = agent.can_read
        if not allowed or not _is_listed(request.peer, agent.ip_whitelist):
            raise refusals.invalid_api_key()

    def _check_nonce_age(self, nonce_us: int) -> None:
        if abs(nonce_us - self._clock.now_us()) > self._settings.nonce_window_ms * 1_000:
            raise refusals.nonce_expired()
