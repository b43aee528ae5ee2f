"""From settings to a connected client: which venue, which keys, which addresses."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster_operator.config.pair_settings import PairKind
    from aster_operator.config.settings import Settings, Venue
    from aster_operator.domain.clock import Clock
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.client_protocol import ExchangeClient
    from aster_operator.exchange.credentials import Credentials
    from aster_operator.runtime.embedded_venue import EmbeddedVenue
    from aster_operator.simulator.server.accounts import DemoAccount

__all__ = ["connect", "connect_embedded", "credentials_of", "exchange_life", "fund_spot", "with_spot"]


async def connect_embedded(
    venue: "EmbeddedVenue", account: "DemoAccount", clock: "Clock", kind: "PairKind" = "same"
) -> "ExchangeClient":
    """A client of the exchange in this process, signing as one of its demo accounts' agents."""
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.credentials import AgentCredentials

    client = AsterClient(
        AgentCredentials(account.user, account.signer, account.private_key),
        environment="sim",
        base_url=venue.server.rest_url,
        ws_url=venue.server.ws_url,
        clock=clock,
    )
    return with_spot(client, kind)


async def fund_spot(client: "AsterClient", settings: "Settings", clock: "Clock") -> None:
    """Move play money of an embedded exchange to its spot wallet where carry pairs need it."""
    from aster_operator.runtime.spot_money import move_play_money

    if settings.pair_kind == "carry":
        await move_play_money(client, settings, f"ao{clock.now_ms()}")


def with_spot(client: "AsterClient", kind: "PairKind") -> "ExchangeClient":
    """The client itself, or for carry pairs one that trades its account's spot market too."""
    from aster_operator.exchange.spot_market import AsterSpotMarket
    from aster_operator.exchange.with_spot import PerpetualsAndSpot

    return PerpetualsAndSpot(client, AsterSpotMarket(client)) if kind == "carry" else client


def connect(
    settings: "Settings",
    clock: "Clock",
    venue: "Venue",
    *,
    base_url: str | None = None,
    ws_url: str | None = None,
    ca_file: Path | None = None,
    keys_needed: bool = True,
) -> "AsterClient":
    """A client for `venue` with the settings' keys. Raises UserProblem for keys or addresses that cannot be.

    `base_url` and `ws_url` replace the venue's own addresses and are needed for sim. Without `keys_needed`
    a client without keys, for public calls, is a client too.
    """
    from aster_operator.config.problems import UserProblem
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.credentials import CredentialsError

    endpoint = settings.endpoint(venue)
    rest = base_url or (endpoint.rest_url if endpoint is not None else None)
    socket = ws_url or (endpoint.ws_url if endpoint is not None else None)
    if rest is None or socket is None:
        raise UserProblem(
            "the sim venue needs the address of a running exchange",
            "--base-url and --ws-url",
            "start one with aster-operator exchange serve and pass what it prints, or use the demo",
        )
    try:
        credentials = credentials_of(settings)
        if credentials is None and keys_needed:
            settings.require_credentials(venue)
            raise UserProblem(
                f"no keys to trade with on {venue}",
                "settings",
                "set WALLET_ADDRESS and ASTER_AGENT_PRIVATE_KEY, or ASTER_API_KEY and ASTER_API_SECRET",
            )
        return AsterClient(
            credentials,
            environment="mainnet" if venue == "paper" else venue,
            base_url=rest,
            ws_url=socket,
            clock=clock,
            ca_file=ca_file,
            state_dir=Path(settings.state_dir),
            timeout_s=settings.request_timeout_ms / 1000,
            recv_window_ms=settings.recv_window_ms,
        )
    except (CredentialsError, ValueError) as error:
        raise UserProblem(str(error), "keys or addresses", "correct the settings") from error


def credentials_of(settings: "Settings") -> "Credentials | None":
    """The settings' key, V3 or V1; None when they have none. Raises CredentialsError."""
    from aster_operator.exchange.credentials import (
        AgentCredentials,
        ApiKeyCredentials,
        address_of_private_key,
    )

    if settings.signing == "agent" and settings.aster_agent_private_key is not None:
        key = settings.aster_agent_private_key.get_secret_value().strip()
        signer = settings.aster_signer_address or address_of_private_key(
            bytes.fromhex(key.removeprefix("0x"))
        )
        return AgentCredentials(settings.user_address or signer, signer, key)
    if settings.api_key is not None and settings.api_secret is not None:
        return ApiKeyCredentials(settings.api_key.get_secret_value(), settings.api_secret.get_secret_value())
    return None


async def exchange_life(client: "AsterClient") -> str:
    """Name of this life of an embedded exchange; empty on a real venue, which has but one."""
    from aster_operator.exchange.endpoint import Security

    answer = await client.request("GET", "exchangeInfo", security=Security.NONE)
    return str(answer.get("simulatorInstance", "")) if isinstance(answer, dict) else ""
