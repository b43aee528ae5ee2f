"""Secrets are removed from text, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.config.masking import MASK, mask_text, mask_value, register_secret


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "ab" * 32,
        "cd" * 32,
        "POST /fapi/v1/order?symbol=X&signature=deadbeefdeadbeef&timestamp=1",
        "postgresql://user:hunter22@host/db",
        "key " + "aB3" * 22,
    ],
)
def test_what_looks_like_a_secret_is_masked_unasked(text: str) -> None:
    assert MASK in mask_text(text)
    for part in ("abab", "cdcd", "deadbeef", "hunter22", "aB3aB3"):
        assert part not in mask_text(text)


@pytest.mark.parametrize(
    "text",
    ["order ao12ab34cd-BTCUSDT-BL-1f filled 0.003 @ 60000.1", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
)
def test_ordinary_text_stays(text: str) -> None:
    assert mask_text(text) == text


@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=40))
def test_a_registered_secret_never_survives(secret: str) -> None:
    register_secret(secret)
    assert secret not in mask_text(f"before {secret} after {secret}").replace(MASK, " ")


def test_a_masked_value_tells_its_length_only() -> None:
    assert mask_value("abcdef") == "*** (6 characters, hidden)"
