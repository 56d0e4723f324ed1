"""The command `smtplab spf`: would this address pass, by which term, and what does the record cost? RFC 7208."""

from __future__ import annotations

import ipaddress
import json as jsonlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smtplab.cli.app import app
from smtplab.cli.network import Resolver, outside
from smtplab.cli.output import Json, one_line, table
from smtplab.errors import SmtplabError

if TYPE_CHECKING:
    from smtplab.authentication.spf_record import SpfRecord
    from smtplab.authentication.spf_trace import SpfCheck


def _address(text: str) -> str:
    """Refuse what is no address of a mail client."""
    try:
        if text and "%" not in text:
            return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        pass
    if text:
        raise SmtplabError(f"{text!r} is no IP address", where="--ip", do="Write 192.0.2.25 or 2001:db8::25")
    return text


@app.command(epilog="Example: smtplab spf example.org --ip 192.0.2.25 --sender news@example.org")
def spf(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="The domain of the envelope sender, or the HELO")],
    ip: Annotated[
        str, typer.Option(help="The sending address; without it, the cost of the record", callback=_address)
    ] = "",
    sender: Annotated[str, typer.Option(help="MAIL FROM; default: postmaster at DOMAIN")] = "",
    helo: Annotated[str, typer.Option(help="The name in HELO; default: DOMAIN")] = "",
    record: Annotated[str | None, typer.Option(help="A record to try in place of the published one")] = None,
    resolver: Resolver = "",
    json: Json = False,
) -> None:
    """Would mail from an address pass SPF, by which term?

    The answer shows what the record costs, too.
    """
    from smtplab.authentication.spf import collect
    from smtplab.authentication.spf_trace import check
    from smtplab.casefile import domain_name

    domain, network = domain_name(domain), outside(resolver)
    if not ip:
        _at_rest(network.run(collect(network, domain, record)), json)
        return
    done = network.run(check(network, domain, ip, sender=sender, helo=helo, record=record))
    if json:
        _print(done.as_dict())
    else:
        _tree(done)


def _print(facts: dict[str, Any]) -> None:
    sys.stdout.write(jsonlib.dumps(facts) + "\n")


def _at_rest(record: SpfRecord, json: bool) -> None:
    from smtplab.authentication.spf_costs import costs

    rows = costs(record)
    if json:
        terms = jsonlib.loads(rows.to_json(orient="records"))
        _print(
            {
                "domain": record.domain,
                "state": str(record.state),
                "records": list(record.records),
                "lookups": record.lookups,
                "void_lookups": record.voids,
                "problems": [str(p) for p in record.problems],
                "unknown": list(record.unknown) or ([record.why] if record.why else []),
                "terms": terms,
            }
        )
        return
    print(one_line(record.headline()))
    for text in record.records or record.nearly:
        print(one_line(text))
    if len(rows):
        table(rows.drop(columns="used"))
    for problem in record.problems:
        print(f"! {one_line(str(problem))}")


def _tree(done: SpfCheck) -> None:
    """The trace as a tree: each term with its look-up, outcome, reason and questions."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    print(one_line(done.headline()))
    branches = [Tree(Text(one_line(f"{done.domain}  {done.record or '; '.join(done.asked)}".rstrip())))]
    for step in done.trace:
        number = f"{step.lookup} " if step.lookup else ""
        line = f"{number}{step.term}  {step.outcome}: {step.why}"
        if step.asked:
            line += f"  ({'; '.join(step.asked)})"
        del branches[step.depth + 1 :]
        branches.append(branches[-1].add(Text(one_line(line))))
    Console(width=None if sys.stdout.isatty() else 200).print(branches[0])
    if done.explanation:
        print(f"explanation: {one_line(done.explanation)}")
