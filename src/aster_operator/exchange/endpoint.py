"""One endpoint as a value: path, versions, security, weight. The tables of endpoints are made of these."""

from enum import StrEnum
from typing import Literal

import msgspec

from aster_operator.exchange.rate_limits import Priority

__all__ = ["Endpoint", "Method", "Product", "Security", "read"]

Method = Literal["GET", "POST", "PUT", "DELETE"]


class Security(StrEnum):
    """What a call must carry (section 1.3)."""

    NONE = "none"
    MARKET_DATA = "market_data"
    """API key header on V1, nothing on V3."""
    USER_STREAM = "user_stream"
    """API key header without signature on V1, signed on V3."""
    SIGNED = "signed"
    """USER_DATA, TRADE and TRANSFER: signed on both."""


class Product(StrEnum):
    """First part of the path; each product has its own host and limits."""

    FUTURES = "fapi"
    SPOT = "api"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`v1` and `v3` are the path numbers used with an API key and with an agent; None where it has none.

    `weight` is the usual request weight, `orders` what it adds to the order count. `repeatable` says that
    sending it twice does no harm, so that it is retried: all reads, and settings that are set to a value.
    """

    method: Method
    name: str
    security: Security
    weight: int = 1
    v1: int | None = 1
    v3: int | None = 3
    orders: int = 0
    repeatable: bool = False
    priority: Priority = Priority.READ
    product: Product = Product.FUTURES

    def path(self, version: int) -> str:
        """Path of the call; version 0 stands for the few whose path has none."""
        if version == 0:
            return f"/{self.product.value}/{self.name}"
        return f"/{self.product.value}/v{version}/{self.name}"


def read(
    name: str,
    security: Security,
    weight: int = 1,
    *,
    v1: int | None = 1,
    v3: int | None = 3,
    product: Product = Product.FUTURES,
) -> Endpoint:
    """A GET: always repeatable."""
    return Endpoint(
        method="GET",
        name=name,
        security=security,
        weight=weight,
        v1=v1,
        v3=v3,
        repeatable=True,
        product=product,
    )
