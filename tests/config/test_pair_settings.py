"""PAIR_KIND and TRADING_PAIRS: what fits together, and the line for what does not."""

import pytest

from aster_operator.config.settings import SettingsProblem, load_settings


@pytest.mark.parametrize(
    ("kind", "pairs", "symbols", "crossed"),
    [
        ("same", "BTCUSDT,ETHUSDT", ("BTCUSDT", "ETHUSDT"), ()),
        ("carry", '["BTCUSDT"]', ("BTCUSDT",), ()),
        ("cross", "btcusdt/ethusdt", ("BTCUSDT", "ETHUSDT"), (("BTCUSDT", "ETHUSDT"),)),
        ("cross", "BTCUSDT,ETHUSDT", ("BTCUSDT", "ETHUSDT"), (("BTCUSDT", "ETHUSDT"),)),
        (
            "cross",
            '["BTCUSDT/ETHUSDT", "SOLUSDT/BNBUSDT"]',
            ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"),
            (("BTCUSDT", "ETHUSDT"), ("SOLUSDT", "BNBUSDT")),
        ),
    ],
)
def test_pairs_are_read(
    kind: str, pairs: str, symbols: tuple[str, ...], crossed: tuple[tuple[str, str], ...]
) -> None:
    settings = load_settings(overrides={"PAIR_KIND": kind, "TRADING_PAIRS": pairs})
    assert (settings.symbols, settings.cross_pairs) == (symbols, crossed)


@pytest.mark.parametrize(
    ("kind", "pairs", "words"),
    [
        ("same", "BTCUSDT/ETHUSDT", "joins two symbols (BTCUSDT/ETHUSDT), which PAIR_KIND=same does not"),
        ("carry", "BTCUSDT/ETHUSDT", "which PAIR_KIND=carry does not"),
        ("cross", "BTCUSDT", "an odd number of symbols (1)"),
        ("cross", "BTCUSDT/ETHUSDT,SOLUSDT", "names SOLUSDT without the symbol it is held against"),
        ("cross", "BTCUSDT/ETHUSDT/SOLUSDT", "more than two symbols"),
        ("cross", "BTCUSDT/ETHUSDT,ETHUSDT/SOLUSDT", "names a symbol twice"),
        ("cross", "BTC/USDT", "'BTC/USDT' is no symbol"),
        ("cross", "BTCUSDT/", "'' is no symbol"),
        ("both", "BTCUSDT", "PAIR_KIND must be one of same, cross, carry"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(kind: str, pairs: str, words: str) -> None:
    with pytest.raises(SettingsProblem) as caught:
        load_settings(overrides={"PAIR_KIND": kind, "TRADING_PAIRS": pairs})
    (line,) = caught.value.lines()
    assert words in line
    assert "\n" not in line


def test_every_problem_is_said_at_once() -> None:
    with pytest.raises(SettingsProblem) as caught:
        load_settings(
            overrides={
                "PAIR_KIND": "cross",
                "TRADING_PAIRS": "BTCUSDT",
                "HEDGE_RATIO_MIN": "2",
                "HEDGE_MIN_CORRELATION": "-1",
                "HEDGE_RATIO_WINDOW_MIN": "5",
            }
        )
    keys = [line.split()[0].split("=")[0] for line in caught.value.lines()]
    assert sorted(keys) == [
        "HEDGE_MIN_CORRELATION",
        "HEDGE_RATIO_MIN",
        "HEDGE_RATIO_WINDOW_MIN",
        "TRADING_PAIRS",
    ]
