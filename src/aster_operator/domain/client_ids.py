"""Client order ids that are pure functions of the intent, so that a restart makes the same one."""

import hashlib
import re

from aster_operator.domain.enums import PositionSide, Side

__all__ = ["CLIENT_ORDER_ID_PATTERN", "derive_client_order_id", "is_own_client_order_id"]

CLIENT_ORDER_ID_PATTERN = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
"""What the venue accepts (section 4.3)."""

_PREFIX = "ao"
_OWN = re.compile(r"^ao[0-9a-f]{8}-[A-Za-z0-9]{0,13}-[BS][LSB]-[0-9a-z]{1,8}$")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, remainder = divmod(number, 36)
        digits = _BASE36[remainder] + digits
        if number == 0:
            return digits


def derive_client_order_id(
    run_id: str, strategy: str, symbol: str, side: Side, position_side: PositionSide, sequence: int
) -> str:
    """Id of one intent: `ao` + digest of (run, strategy, symbol) + symbol + sides + sequence in base 36.

    At most 36 characters, unique as long as `sequence` is unique inside the run. Raises ValueError when
    `sequence` is negative or exceeds eight base-36 digits.
    """
    if not 0 <= sequence < 36**8:
        raise ValueError(f"sequence must be in 0..36^8-1, was {sequence}")
    digest = hashlib.sha256(f"{run_id}\x1f{strategy}\x1f{symbol}".encode()).hexdigest()[:8]
    short_symbol = re.sub(r"[^A-Za-z0-9]", "", symbol)[:13]
    return f"{_PREFIX}{digest}-{short_symbol}-{side[0]}{position_side[0]}-{_base36(sequence)}"


def is_own_client_order_id(client_order_id: str) -> bool:
    """True when the id has the operator's form (any run): used to tell own orders from foreign ones."""
    return _OWN.fullmatch(client_order_id) is not None
