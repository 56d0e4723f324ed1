"""Figures of what came back: what they say in words, with and without evidence, and that strangers' names stay text."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pytest

from smtplab import bounces
from smtplab.bounces.policies import policy
from smtplab.tables import conform
from tests.bounces.test_groups import daily, sent, table

NONE = bounces.read_paths([])


def verdicts(*parts: list[dict[str, object]]) -> pd.DataFrame:
    return bounces.suppress(NONE, table(*parts), policy())


def title(figure: go.Figure) -> str:
    return str(figure.layout.title.text).replace("<br>", " ")


def test_the_flow_leads_from_provider_over_reason_to_action() -> None:
    made = verdicts(
        sent(3, reason="userunknown"),
        sent(5, reason="authfailure", first=10, provider="<b>x.example"),
        sent(2, reason="mailboxfull", first=20),
    )
    figure = bounces.flow(made)
    assert title(figure) == (
        "Of 10 recipients that failed or complained, 3 should get no more mail; 5 failed through our own fault"
    )
    (sankey,) = figure.data
    assert sum(sankey.link.value) == 20
    assert {"Gmail", "no such user", "suppress", "keep", "wait"} <= set(sankey.node.label)
    assert "&lt;b&gt;x.example" in sankey.node.label
    assert "Gmail, no such user: 3, suppress" in figure.layout.meta["alt"]


def test_a_share_says_how_it_stands_to_the_limit() -> None:
    known = table(sent(900), sent(100, reason="userunknown", first=2_000), sent(60, first=5_000, provider="yahoo"))
    by = bounces.rates(known, "provider")
    for limit, words in ((0.05, "surely above"), (0.1, "perhaps above"), (0.2, "below")):
        assert title(bounces.rate(by, "gone", limit)) == (
            f"Recipients that do not exist: most for Gmail, 10.00% (100 of 1,000); {words} the limit of {limit:.1%}"
        )
    assert "1 others have none" in bounces.rate(by, "gone").layout.meta["alt"]
    assert title(bounces.rate(by, "complaints", 0.003)) == "Nobody complains"


def test_few_recipients_make_no_rate() -> None:
    few = bounces.rates(table(sent(20), sent(20, reason="userunknown", first=50)), "provider")
    assert title(bounces.rate(few, "gone")) == "No rate by provider"


def test_the_burst_is_shaded_and_dated() -> None:
    figure = bounces.unknown_users_over_time(daily({12: 20, 30: 5}))
    assert title(figure) == "20 of the 25 unknown recipients of autumn came on 13 October"
    assert len(figure.layout.shapes) == 1
    spread = bounces.unknown_users_over_time(daily(dict.fromkeys(range(40), 1)))
    assert title(spread) == "40 recipients do not exist; they came in no burst"
    assert not spread.layout.shapes


def test_reasons_are_stacked_by_week_in_a_long_time() -> None:
    long = table(sent(3, 0, "userunknown"), sent(4, 36, "authfailure"), sent(1, 37, "userunknown", first=9))
    assert title(bounces.reasons_over_time(long)) == (
        "Most was lost in the week from 2 November: 5 recipients, 4 of them with “authentication failed”"
    )
    short = table(sent(3, 0, "userunknown"), sent(1, 2, "authfailure"))
    assert title(bounces.reasons_over_time(short)).startswith("Most was lost on 1 October: 3 recipients")


def test_the_price_of_stopping_is_told() -> None:
    known = table(sent(2, 0, "userunknown"), sent(2, 3, "userunknown"), sent(1, 4))
    figure = bounces.price_of_stopping(bounces.avoided(NONE, known, policy()))
    assert title(figure) == "A stop would have spared 2 messages that did harm, and held back 1 that was accepted"


def test_confidence_is_set_against_what_was_measured() -> None:
    rows = pd.DataFrame({"stated": [0.9, 0.5], "observed": [0.95, 0.4], "n": [300, 100]})
    assert title(bounces.reliability(rows)) == (
        "Stated confidence and the share of right answers differ by 6.2 points on average, over 400 replies"
    )


@pytest.mark.parametrize("number", range(8))
def test_without_evidence_a_figure_says_what_is_missing(number: int) -> None:
    empty = conform("outcomes", [])
    figure = (
        lambda: bounces.flow(bounces.suppress(NONE, empty, policy())),
        lambda: bounces.reasons_over_time(empty),
        lambda: bounces.rate(bounces.rates(empty, "provider"), "lost"),
        lambda: bounces.reliability(pd.DataFrame(columns=["stated", "observed", "n"])),
        lambda: bounces.price_of_stopping(bounces.avoided(NONE, empty, policy())),
        lambda: bounces.unknown_users_over_time(empty),
        lambda: bounces.over_time(NONE),
        lambda: bounces.by_reason_and_provider(NONE),
    )[number]()
    assert not figure.data
    assert figure.layout.meta["alt"]
