"""The flow of mail from its sources over the domains that vouch for it to the DMARC verdict: RFC 9989 section 4.4."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from smtplab import theme

MAX_SOURCES = 12
REST = "all other sources"
NOTHING = "nothing passed"
MAX_VOUCHERS = 12
OTHERS = "other domains"
_VERDICTS = {
    "both": ("aligned by both", "accepted"),
    "dkim": ("aligned by DKIM alone", "accent"),
    "spf": ("aligned by SPF alone", "pending"),
    "none": ("not aligned: fails", "lost"),
}


def alignment_flow(rows: pd.DataFrame) -> go.Figure:
    """Who sends in our name, which domain vouches for it, and whether that is aligned; widths are messages.

    `rows` are those of the table aggregate, or any with its columns source_ip, count, dkim_results, spf_results and
    alignment; a column `source` (a stream, a vendor) takes the place of the address where it is given.
    """
    flow = _flow(rows)
    total = int(flow["count"].sum())
    if not total:
        return theme.missing("No flow to show", "DMARC aggregate reports tell which domains vouch for our mail.")
    sources, vouchers = _order(flow, "source"), _order(flow, "voucher")
    verdicts = [v for v in _VERDICTS if v in set(flow["alignment"])]
    labels = [*sources, *vouchers, *(_VERDICTS[v][0] for v in verdicts)]
    at = {("source", s): i for i, s in enumerate(sources)}
    at |= {("voucher", v): len(sources) + i for i, v in enumerate(vouchers)}
    at |= {("alignment", v): len(sources) + len(vouchers) + i for i, v in enumerate(verdicts)}
    links = []
    for left, right in (("source", "voucher"), ("voucher", "alignment")):
        keys = list(dict.fromkeys((left, right, "alignment")))
        for key, count in flow.groupby(keys)["count"].sum().items():
            colour = theme.colour(_VERDICTS[key[-1]][1])
            links.append((at[left, key[0]], at[right, key[1]], int(count), colour))
    ends = [theme.colour(_VERDICTS[v][1]) for v in verdicts]
    figure = theme.sankey(labels, ends, links, ("sent from", "vouched for by", "DMARC"), "messages")
    told = flow.groupby(["source", "voucher", "alignment"])["count"].sum().sort_values(ascending=False)
    alt = "; ".join(f"{s}: {n:,} messages, {v}, {_VERDICTS[a][0]}" for (s, v, a), n in told.items())
    height = 130 + 44 * max(len(sources), len(vouchers))
    return theme.headed(theme.finish(figure, title=_title(flow, total), alt=alt, height=height))


def _flow(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a source, voucher and alignment, with its count; the many small ones are put together."""
    source = rows["source"] if "source" in rows else rows["source_ip"]
    vouchers = [_voucher(d, s) for d, s in zip(rows["dkim_results"], rows["spf_results"], strict=True)]
    flow = pd.DataFrame(
        {
            "source": source.fillna("unknown address").astype("str").to_numpy(),
            "voucher": vouchers,
            "alignment": rows["alignment"].fillna("none").to_numpy(),
            "count": rows["count"].fillna(0).astype("int64").to_numpy(),
        }
    )
    for column, most, rest in (("source", MAX_SOURCES, REST), ("voucher", MAX_VOUCHERS, OTHERS)):
        kept = flow.groupby(column)["count"].sum().nlargest(most).index
        flow[column] = flow[column].where(flow[column].isin(kept), rest)
    return flow.groupby(["source", "voucher", "alignment"], as_index=False)["count"].sum()


def _voucher(dkim: object, spf: object) -> str:
    """The domains that passed, such as "a.example (DKIM, SPF)"."""
    passed: dict[str, list[str]] = {}
    for name, joined in (("DKIM", dkim), ("SPF", spf)):
        for one in joined.split() if isinstance(joined, str) else ():
            domain = one.rpartition("=")[0].partition("/")[0]
            if one.endswith("=pass") and name not in passed.setdefault(domain, []):
                passed[domain].append(name)
    return ", ".join(f"{d[:60]} ({', '.join(by)})" for d, by in list(passed.items())[:3]) or NOTHING


def _order(flow: pd.DataFrame, column: str) -> list[str]:
    """Most messages first; what was put together comes last."""
    sums = flow.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable")
    return sorted(map(str, sums.index), key=lambda name: name in (REST, OTHERS))


def _title(flow: pd.DataFrame, total: int) -> str:
    failed = flow[flow["alignment"] == "none"]
    if failed.empty:
        return f"All {total:,} messages are aligned"
    share = 1 - int(failed["count"].sum()) / total
    worst = failed.groupby("source")["count"].sum().idxmax()
    return f"{share:.0%} of {total:,} messages are aligned; most of the rest comes from {worst}"
