"""Keeping secrets out of everything a person or a file can see.

Secrets are registered when they are read; `mask_text` then removes them wherever text leaves the process
(log lines, crash files, error lines). Things that look like secrets are masked even when nobody registered
them.
"""

import re

__all__ = ["MASK", "mask_text", "mask_value", "register_secret"]

MASK = "***"

_MINIMUM_LENGTH = 6
_registered: set[str] = set()

_SUSPECTS = (
    # A private key or a signature in hex; transaction hashes look the same and are masked too.
    re.compile(r"(?:0x)?[0-9a-fA-F]{64,}"),
    # V1 keys and secrets: 64 letters and digits.
    re.compile(r"\b(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{60,}\b"),
    re.compile(r"(?<=[?&]signature=)[^&\s'\"]+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)


def register_secret(value: str) -> None:
    """Remember `value` as a secret for the life of the process.

    Values shorter than six characters are ignored: masking them would blank ordinary text.
    """
    if len(value) >= _MINIMUM_LENGTH:
        _registered.add(value)


def mask_text(text: str) -> str:
    """`text` with registered secrets, key-like hex, signatures and URL passwords replaced by `***`."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _SUSPECTS:
        text = pattern.sub(MASK, text)
    return text


def mask_value(value: object) -> str:
    """How a secret is shown in an error: its length, never a character of it."""
    return f"{MASK} ({len(str(value))} characters, hidden)"
