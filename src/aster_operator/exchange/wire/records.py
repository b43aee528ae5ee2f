"""Base of the REST records."""

import msgspec

__all__ = ["Acknowledged", "Record"]


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object of a REST answer: snake_case here, camelCase on the wire, unknown members ignored."""


class Acknowledged(Record, frozen=True):
    """`{"code": 200, "msg": "success"}`; some endpoints send the code as text."""

    code: int | str
    msg: str
