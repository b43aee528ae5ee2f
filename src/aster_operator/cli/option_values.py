"""Values of options that are more than a word: lists of symbols, durations, true and false."""

import typer

__all__ = ["parse_poll_time", "parse_symbols", "parse_truth"]

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def parse_symbols(text: str, option: str = "--symbols") -> tuple[str, ...] | None:
    """Symbols separated by commas, in upper case; None for `all`."""
    if text.strip().lower() == "all":
        return None
    found = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip()))
    if not found:
        raise typer.BadParameter("names no symbol; write BTCUSDT,ETHUSDT or all", param_hint=option)
    return found


def parse_poll_time(text: str, option: str) -> float | None:
    """Seconds above 0; None for `forever`."""
    if text.strip().lower() == "forever":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(
            f"{text!r} is neither a number of seconds above 0 nor forever", param_hint=option
        )
    return seconds


def parse_truth(text: str, option: str) -> bool:
    """True or false, as people write them."""
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise typer.BadParameter(f"{text!r} is neither true nor false", param_hint=option)
    return word in _TRUE
