"""Server frames of RFC 6455, built once per message and shared by all who receive it."""

from aster_operator.simulator.server.messages import encode_json

__all__ = ["CLOSE", "PING", "PONG", "TEXT", "Outgoing", "frame"]

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


def frame(opcode: int, payload: bytes) -> bytes:
    """One final, unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


class Outgoing:
    """A payload of a stream with its raw and its combined frame, each made on first use."""

    __slots__ = ("_combined", "_payload", "_raw", "_stream")

    def __init__(self, stream: str, payload: object) -> None:
        self._stream = stream
        self._payload = encode_json(payload)
        self._raw: bytes | None = None
        self._combined: bytes | None = None

    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = frame(TEXT, self._payload)
        return self._raw

    def combined(self) -> bytes:
        """The payload wrapped as `{"stream", "data"}` (section 6.1)."""
        if self._combined is None:
            name = encode_json(self._stream)
            self._combined = frame(TEXT, b'{"stream":' + name + b',"data":' + self._payload + b"}")
        return self._combined
