"""Which venue, with which keys, over which addresses; and where the books are kept."""

from typing import Literal

from pydantic import BaseModel, SecretStr

from aster_operator.config.fields import OptionalAddress, OptionalSecret, OptionalSecretText, setting
from aster_operator.config.secrets import SECRET_FORMS

__all__ = ["LogLevel", "Signing", "StorageSettings", "Venue", "VenueSettings"]

Venue = Literal["sim", "paper", "testnet", "mainnet"]
Signing = Literal["auto", "agent", "hmac"]
LogLevel = Literal["debug", "info", "warning", "error"]

_ADDRESS_FORM = "0x and 40 hexadecimal digits"


class VenueSettings(BaseModel):
    """Keys and addresses (protocol reference, sections 1 and 2)."""

    venue: Venue = setting(
        "VENUE", "sim", "Where to trade: the embedded exchange, live data matched here, or the real thing"
    )
    aster_base_url: str | None = setting(
        "ASTER_BASE_URL",
        None,
        "REST address; unset: the venue's own",
        form="https://host (http on loopback only)",
    )
    aster_ws_url: str | None = setting(
        "ASTER_WS_URL",
        None,
        "WebSocket address; unset: the venue's own",
        form="wss://host (ws on loopback only)",
    )

    # --- agent keys: the only kind the venue still issues -----------------------------------------------
    wallet_address: OptionalAddress = setting(
        "WALLET_ADDRESS", None, "Main wallet that holds the margin", form=_ADDRESS_FORM
    )
    aster_user_address: OptionalAddress = setting(
        "ASTER_USER_ADDRESS", None, "Another name of WALLET_ADDRESS", form=_ADDRESS_FORM
    )
    aster_signer_address: OptionalAddress = setting(
        "ASTER_SIGNER_ADDRESS",
        None,
        "Agent (API wallet) that signs; unset: derived from its private key",
        form=_ADDRESS_FORM,
    )
    aster_agent_private_key: OptionalSecret = setting(
        "ASTER_AGENT_PRIVATE_KEY",
        None,
        "Private key of the agent, 32 bytes in hexadecimal",
        form=SECRET_FORMS,
    )

    # --- API key and secret (V1): existing ones keep working --------------------------------------------
    aster_api_key: OptionalSecret = setting("ASTER_API_KEY", None, "V1 API key", form=SECRET_FORMS)
    aster_api_secret: OptionalSecret = setting("ASTER_API_SECRET", None, "V1 API secret", form=SECRET_FORMS)
    order_api_key: OptionalSecret = setting(
        "ORDER_API_KEY", None, "Another name of ASTER_API_KEY", form=SECRET_FORMS
    )
    order_secret_key: OptionalSecret = setting(
        "ORDER_SECRET_KEY", None, "Another name of ASTER_API_SECRET", form=SECRET_FORMS
    )
    aster_signing: Signing = setting(
        "ASTER_SIGNING", "auto", "Signature scheme; auto: agent when its key is set, otherwise hmac"
    )

    # --- the wire ---------------------------------------------------------------------------------------
    request_timeout_ms: int = setting(
        "REQUEST_TIMEOUT_MS",
        10_000,
        "After this a request's outcome counts as unknown and is queried",
        unit="ms",
        ge=100,
        le=60_000,
    )
    recv_window_ms: int = setting(
        "RECV_WINDOW_MS", 5_000, "How old a V1 request may be on arrival", unit="ms", ge=100, le=60_000
    )
    max_clock_offset_ms: int = setting(
        "MAX_CLOCK_OFFSET_MS",
        1_000,
        "Refuse to trade when the measured clock offset cannot be corrected below this",
        unit="ms",
        ge=10,
        le=10_000,
    )
    referral_code: str | None = setting(
        "REFERRAL_CODE", None, "Accepted for old files and never sent", form="any text", has_effect=False
    )

    @property
    def api_key(self) -> SecretStr | None:
        """The V1 key, under whichever of its two names it was given."""
        return self.aster_api_key or self.order_api_key

    @property
    def api_secret(self) -> SecretStr | None:
        """The V1 secret, under whichever of its two names it was given."""
        return self.aster_api_secret or self.order_secret_key

    @property
    def user_address(self) -> str | None:
        """The main wallet, under whichever of its two names it was given."""
        return self.wallet_address or self.aster_user_address

    @property
    def signing(self) -> Literal["agent", "hmac"] | None:
        """The scheme that will sign: agent or hmac; None when its credentials are incomplete."""
        agent = self.aster_agent_private_key is not None and self.user_address is not None
        hmac = self.api_key is not None and self.api_secret is not None
        if agent and self.aster_signing in ("auto", "agent"):
            return "agent"
        return "hmac" if hmac and self.aster_signing in ("auto", "hmac") else None


class StorageSettings(BaseModel):
    """Where the books, the state that must survive a restart, and the logs are kept."""

    db_path: str = setting("DB_PATH", "aster-operator.db", "SQLite file of the books", form="a path")
    database_server_url: OptionalSecretText = setting(
        "DATABASE_URL",
        None,
        "Database of the books instead of DB_PATH; may hold a password",
        form="postgresql://user:password@host/name, sqlite:///path, credential:NAME, gcp:NAME or "
        "keyring:SERVICE/NAME",
    )
    state_dir: str = setting(
        "STATE_DIR",
        "runs",
        "Directory of session journals and of the nonce kept across restarts",
        form="a path",
    )
    catalog_dir: str = setting(
        "CATALOG_DIR", "catalog", "Parquet catalog of recorded markets (collect, data)", form="a path"
    )
    catalog_url: str | None = setting(
        "CATALOG_URL",
        None,
        "Object storage the catalog is uploaded to and synced from",
        form="gs://bucket/folder, s3://bucket/folder or a path",
    )
    log_dir: str = setting("LOG_DIR", "logs", "Directory of crash files", form="a path")
    log_level: LogLevel = setting("LOG_LEVEL", "info", "Smallest level that is logged")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy address of the books. May hold a password: never print it."""
        if self.database_server_url is not None:
            return self.database_server_url.get_secret_value()
        return f"sqlite:///{self.db_path}"
