"""Domains a second over a name server with 20 ms answers, beside checkdmarc where it is installed. Last line: JSON.

python benchmarks/domains.py [--domains 200] [--runs 5] [--peer 200]

Both answer the same questions of the same domains in the same run: SPF with all includes, DMARC with the consent of
report addresses, MX with addresses and their reverse names; no selector is guessed and no authoritative server is
asked by itself. Then all that each of them asks by default. checkdmarc asks one thing after the other, so that its
time grows with every domain: it runs once, ours several times in turn, each in a fresh process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from _nameserver import World, capacity, served
from _nameserver import domains as names_of

from smtplab import domains, portfolio
from smtplab.domains import DomainReport
from smtplab.net import Network, NetworkSettings
from smtplab.net.dns import reverse

DELAY = 0.02
PUBLIC = ("198.18.0.0/15", "100.64.0.0/10", "2001::/16", "127.53.0.0/16")

Measured = dict[str, Any]


def smtplab(port: int, count: int, full: bool, concurrency: int) -> None:
    network = Network.without_case(NetworkSettings(resolver=f"127.0.0.1:{port}", public=PUBLIC))

    async def same(name: str) -> DomainReport:
        report = await domains.ask(network, name, guess=False, propagation=False)
        await asyncio.gather(*(reverse(network, ip) for host in report.names.hosts for ip in host.addresses))
        return report

    names = names_of(count)
    if full:
        reports = portfolio.examine(network, names, concurrency=concurrency)
    else:
        reports = portfolio.stream(network, names, same, concurrency)
    sound = sum(r.known and bool(json.dumps(r.as_dict())) for r in reports)
    assert sound == count, f"{count - sound} domains unknown"


def checkdmarc(port: int, count: int, full: bool, _: int) -> None:
    import checkdmarc
    import dns.nameserver
    import dns.resolver
    from checkdmarc.dmarc import check_dmarc
    from checkdmarc.smtp import check_mx
    from checkdmarc.spf import check_spf

    servers = [dns.nameserver.Do53Nameserver("127.0.0.1", port)]
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = servers
    for name in names_of(count):
        if full:
            checkdmarc.check_domains([name], nameservers=servers, resolver=resolver)
            continue
        assert "error" not in check_spf(name, nameservers=servers, resolver=resolver)
        check_dmarc(name, nameservers=servers, resolver=resolver)
        assert check_mx(name, nameservers=servers, resolver=resolver)["hosts"]


def _timed(run: Callable[..., None], *args: object) -> tuple[float, float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    run(*args)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - began, time.process_time() - cpu, peak


def measure(
    run: Callable[..., None], running: World, count: int, full: bool = False, concurrency: int = 50
) -> Measured:
    """One run in a fresh process: domains a second, questions a domain as the server counted them, CPU, peak MB."""
    running.asked()
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        took, cpu, peak = fresh.apply(_timed, (run, running.port, count, full, concurrency))
    asked = running.asked()
    return {
        "domains": count,
        "seconds": round(took, 2),
        "per_second": round(count / took, 2),
        "queries_per_domain": round(sum(asked.values()) / count, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(peak),
        "types": asked,
    }


def median(runs: list[Measured]) -> Measured:
    """The median run by domains a second, with the spread."""
    runs = sorted(runs, key=lambda r: r["per_second"])
    speeds = [r["per_second"] for r in runs]
    middle = runs[len(runs) // 2]
    return {**middle, "per_second": statistics.median(speeds), "runs": len(runs), "spread": [speeds[0], speeds[-1]]}


def tell(what: str, one: Measured) -> None:
    types = ", ".join(f"{n} {t}" for t, n in one["types"].items())
    print(
        f"{what:28} {one['per_second']:>9,.2f} domains/s  {one['queries_per_domain']:>6.2f} queries/domain  "
        f"{one['cpu_seconds']:>6.2f} s CPU  {one['peak_mb']:>4} MB  ({one['domains']} domains)\n{'':30}{types}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--domains", type=int, default=200)
    options.add_argument("--runs", type=int, default=5, help="of ours; the median counts")
    options.add_argument("--peer", type=int, help="domains for checkdmarc, which is slow; default: all; 0: none")
    options.add_argument("--concurrency", type=int, default=portfolio.CONCURRENCY, help="domains in flight")
    options.add_argument("--memory", type=int, nargs="*", default=[], help="peak memory of ours for so many domains")
    given = options.parse_args()
    most = max(given.domains, *given.memory, 0)
    result: dict[str, Any] = {"delay_ms": DELAY * 1000, "server_questions_per_second": round(capacity())}
    print(f"the name server alone answers {result['server_questions_per_second']:,} questions/s without its delay")
    with served(most, DELAY) as running:
        for kind, full in (("same questions", False), ("all by default", True)):

            def ours(runs: int, full: bool = full) -> list[Measured]:
                return [measure(smtplab, running, given.domains, full, given.concurrency) for _ in range(runs)]

            # Some before and some after the long run of the peer: the machine may have become busy meanwhile.
            runs = ours(given.runs - given.runs // 2)
            count = given.domains if given.peer is None else given.peer
            peer = measure(checkdmarc, running, count, full) if count else None
            mine = median(runs + ours(given.runs // 2))
            tell(f"smtplab, {kind}", mine)
            one: dict[str, Any] = {"ours": mine, "peer": peer, "ratio": None, "queries_ratio": None}
            if peer:
                one["ratio"] = round(mine["per_second"] / peer["per_second"], 1)
                one["queries_ratio"] = round(mine["queries_per_domain"] / peer["queries_per_domain"], 3)
                tell(f"checkdmarc, {kind}", peer)
                print(f"{'':30}{one['ratio']:.1f} times the speed, {one['queries_ratio']:.0%} of the queries")
            result[kind.replace(" ", "_")] = one
        result["authoritative"] = running.authoritative
        result["memory"] = {}
        for count in given.memory:
            long = measure(smtplab, running, count, False, given.concurrency)
            tell(f"smtplab, {count:,} domains", long)
            result["memory"][count] = long["peak_mb"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
