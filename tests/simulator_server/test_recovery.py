"""The quick recovery of a signer answers like the library's own, for whatever it is given."""

from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.simulator.server.eip712 import message_digest, recover_address
from aster_operator.simulator.server.recovery import address_recoverer, reference_address

QUICK = address_recoverer()


def test_the_quick_way_is_used_here() -> None:
    assert QUICK is not reference_address


@given(
    secret=st.integers(1, 2**128),
    digest=st.binary(min_size=32, max_size=32),
    flipped=st.integers(0, 64 * 8),
    recovery_id=st.integers(0, 1),
)
def test_it_answers_like_the_reference(secret: int, digest: bytes, flipped: int, recovery_id: int) -> None:
    signed = bytearray(PrivateKey.from_int(secret).sign_recoverable(digest, hasher=None))
    if flipped < 64 * 8:
        signed[flipped // 8] ^= 1 << flipped % 8
    compact = bytes(signed[:64])
    assert QUICK(digest, compact, recovery_id) == reference_address(digest, compact, recovery_id)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_noise_has_the_same_signer_or_none(digest: bytes, noise: bytes) -> None:
    assert QUICK(digest, noise, 0) == reference_address(digest, noise, 0)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_wrong_lengths_have_no_signer(digest: bytes, signature: bytes) -> None:
    if len(signature) != 65:
        assert recover_address(message_digest(digest, 1666), signature) is None
    if len(digest) != 32 or len(signature) != 64:
        assert QUICK(digest, signature, 0) is None
