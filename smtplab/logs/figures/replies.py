"""From which address, and why? Replies by reason, by our address and by provider."""

from __future__ import annotations

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from smtplab import providers, replies, theme
from smtplab.logs.evidence import LogEvidence
from smtplab.logs.figures.panels import NONE, top
from smtplab.rates import wilson

_LATE = "late, then accepted"


def reasons_by_address(evidence: LogEvidence) -> go.Figure:
    """Lost and late recipients by our address and the reason of the last reply: one bad address shows as one bar."""
    if evidence.outcomes.empty:
        return theme.missing("No delivery is known", NONE)
    rows = _failed(evidence.outcomes)
    if rows.empty:
        return theme.missing("Nothing was lost", "No outcome of the logs and events is lost or late.")
    reasons = top(rows["why"], 7)
    rows["why"] = rows["why"].where(rows["why"].isin(reasons), "other")
    counts = rows.groupby(["address", "why"]).size().unstack(fill_value=0)
    figure = go.Figure()
    for number, why in enumerate([*reasons, *(["other"] if "other" in counts else [])]):
        figure.add_bar(
            name=why,
            y=[str(a) for a in counts.index],
            x=[int(v) for v in counts[why]],
            orientation="h",
            marker_color=theme.series(number) if why != "other" else theme.colour("unknown"),
        )
    figure.update_layout(barmode="stack")
    total = counts.sum(axis=1)
    worst = str(total.idxmax())
    title = f"Mail from {worst} is lost most, chiefly: {counts.loc[worst].idxmax()}"
    alt = "; ".join(
        f"{a}: " + ", ".join(f"{int(v):,} {k}" for k, v in counts.loc[a].items() if v) for a in counts.index
    )
    return theme.finish(figure, title=title, alt=alt, x="recipients lost or late", height=190 + 42 * len(counts))


def address_by_provider(evidence: LogEvidence) -> go.Figure:
    """Matrix: share lost or late, a row a provider, a column an address of ours, with the chief reason in words."""
    outcomes = evidence.outcomes
    if outcomes.empty:
        return theme.missing("No delivery is known", NONE)
    failed = outcomes["outcome"].isin(["lost", "late"]).groupby(outcomes["source_ip"].fillna("unknown")).mean()
    names, addresses = top(outcomes["provider"], 6), top(outcomes["source_ip"].fillna("unknown"), 5)
    # A telephone shows the first columns: the worst address stands there.
    addresses.sort(key=lambda a: -failed[a])
    sent = outcomes.groupby(["source_ip", "provider"], dropna=False).size().rename("sent").reset_index()
    sent = sent.assign(source_ip=sent["source_ip"].fillna("unknown")).set_index(["source_ip", "provider"])["sent"]
    rows = _failed(outcomes).groupby(["address", "provider"])["why"].value_counts().rename("bad").reset_index()
    why = rows.groupby(["address", "provider"]).agg(bad=("bad", "sum"), chief=("why", "first"))
    cells = [[_cell(sent, why, (a, n)) for a in addresses] for n in names]
    figure = go.Figure(
        go.Heatmap(
            z=[[share for share, _ in row] for row in cells], x=addresses, y=[providers.name(n) for n in names],
            text=[[words for _, words in row] for row in cells], texttemplate="%{text}", textfont={"size": 10},
            zmin=0, zmax=1, colorscale=theme.scale("lost"), showscale=False, xgap=2, ygap=2,
            customdata=[[int(sent.get((a, n), 0)) for a in addresses] for n in names],
            hovertemplate="%{x} to %{y}: %{text}, of %{customdata:,}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category")
    short = ["<br>".join(wrap(a.replace(":", ": ").replace(".", ". "), 8)).replace(" ", "") for a in addresses]
    figure.update_xaxes(type="category", side="top", tickangle=0, tickvals=addresses, ticktext=short)
    found = [(cells[i][j][0] or 0.0, a, n) for i, n in enumerate(names) for j, a in enumerate(addresses)]
    share, address, name = max(found, key=lambda f: _sure(sent, f), default=(0.0, "", ""))
    title = "No address of ours is treated badly by a large provider"
    if _sure(sent, (share, address, name)) >= 0.05:
        title = f"{providers.name(name)} refuses or delays {share:.0%} of the mail from {address}"
    said = [f"{a} to {providers.name(n)}: {share:.0%}" for share, a, n in found]
    done = theme.finish(figure, title=title, alt=f"{title}. {'; '.join(said)}", height=130 + 62 * len(names))
    return done.update_layout(margin_t=84, xaxis_tickfont_size=10)


def _sure(sent: pd.Series, cell: tuple[float, str, str]) -> float:
    """A share that chance alone hardly makes: the lower end of its interval."""
    share, address, name = cell
    total = int(sent.get((address, name), 0))
    return wilson(round(share * total), total, 0.999)[0] if total else 0.0


def _cell(sent: pd.Series, why: pd.DataFrame, key: tuple[str, str]) -> tuple[float | None, str]:
    total = int(sent.get(key, 0))
    if not total:
        return None, ""
    if key not in why.index:
        return 0.0, "0%"
    bad = int(why.loc[key, "bad"])
    chief = wrap(str(why.loc[key, "chief"]), 10, break_long_words=False)
    return round(bad / total, 4), "<br>".join([f"{bad / total:.0%}", *chief])


def _failed(outcomes: pd.DataFrame) -> pd.DataFrame:
    rows = outcomes.loc[outcomes["outcome"].isin(["lost", "late"]), ["source_ip", "provider", "reason"]]
    why = rows["reason"].map(replies.words, na_action="ignore").astype("str").fillna(_LATE)
    return rows.assign(address=rows["source_ip"].fillna("unknown"), why=why)


def replies_by_reason(evidence: LogEvidence) -> go.Figure:
    """Attempts that were put off or refused, by what the reply meant."""
    deliveries = evidence.deliveries
    if deliveries.empty:
        return theme.missing("No delivery is known", NONE)
    tried = deliveries["attempt"].ne(0).fillna(True)
    counts = (
        deliveries[tried & (deliveries["status"] != "sent")].groupby(["reason", "status"]).size().unstack(fill_value=0)
    )
    if counts.empty:
        return theme.missing("No attempt was put off or refused", "Every attempt of the logs and events was accepted.")
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index].head(12)
    figure = go.Figure()
    for status, role in (("deferred", "late"), ("bounced", "lost"), ("expired", "critical"), ("discarded", "unknown")):
        if status in counts:
            figure.add_bar(
                name=status,
                y=[replies.words(str(r)) for r in counts.index],
                x=[int(n) for n in counts[status]],
                orientation="h",
                marker_color=theme.colour(role),
                marker_pattern_shape="/" if status == "bounced" else "",
            )
    figure.update_layout(barmode="stack", yaxis={"autorange": "reversed"})
    total = counts.sum(axis=1)
    title = f"The reply heard most is “{replies.words(str(total.index[0]))}”: {int(total.iloc[0]):,} attempts"
    alt = "; ".join(f"{replies.words(str(r))}: {int(n):,}" for r, n in total.items())
    return theme.finish(figure, title=title, alt=f"{title}. {alt}", x="attempts", height=150 + 30 * len(counts))
