"""What Outlook is told: Autodiscover, a question by POST and an answer in XML (MS-OXDSCLI, "plain old XML").

The places are asked in the order of section 3.1.5: the domain, autodiscover.DOMAIN, and the host of the SRV record.
Redirects are followed as clients do, over HTTPS alone and a few steps far; the plain HTTP redirect is not asked for,
since anybody on the way could answer it. Nobody signs in: a server that demands it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin, urlsplit
from xml.sax.saxutils import escape

from smtplab.net import Network
from smtplab.net.dns import query
from smtplab.net.https import Fetched, fetch
from smtplab.servers.clients import Pointer, elements, read

PATH = "/autodiscover/autodiscover.xml"
MAX_STEPS = 4
"""Requests on the way from one place; a client takes ten redirects, honest ways are two long."""
MAX_HOSTS = 2
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook"
_REQUEST = (
    f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{_OUTLOOK}/requestschema/2006"><Request>'
    "<EMailAddress>{address}</EMailAddress>"
    f"<AcceptableResponseSchema>{_OUTLOOK}/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>"
)


@dataclass(frozen=True)
class Discovered:
    """Servers found, and the places that could not be asked, or not be believed, with the reason."""

    pointers: tuple[Pointer, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


def request(domain: str) -> str:
    """The question for postmaster, the one address that every domain has (RFC 5321 section 4.5.1)."""
    return _REQUEST.format(address=escape(f"postmaster@{domain}"))


async def discover(network: Network, domain: str, at: datetime) -> Discovered:
    """Ask each place until one names servers; a certificate that is not valid `at` that time is not believed."""
    unknown = list[tuple[str, str]]()
    srv = await query(network, f"_autodiscover._tcp.{domain}", "SRV")
    if srv.why:
        unknown.append((srv.name, srv.why))
    targets = [r.split() for r in srv.records[:MAX_HOSTS]]
    hosts = [domain, f"autodiscover.{domain}", *(f"{t[3]}:{t[2]}" for t in targets if len(t) == 4 and t[3] != ".")]
    for host in hosts:
        got, why = await _follow(network, f"https://{host}{PATH}", domain, at)
        if found := read(got.body, domain, got.url):
            return Discovered(found, tuple(unknown))
        if why:
            unknown.append((got.url, why))
    return Discovered((), tuple(unknown))


async def _follow(network: Network, url: str, domain: str, at: datetime) -> tuple[Fetched, str]:
    """The last answer on the way from a place, without its body and with the reason where it counts for nothing."""
    asked = list[str]()
    while True:
        asked.append(url)
        got = await fetch(network, url, request(domain))
        if got.why or got.error:
            # No address, no TLS: nothing is served there, which is an answer.
            return Fetched(url), got.why
        if refused := got.refused(at, network.settings.trust):
            return Fetched(url), refused
        further, domain = _further(got, domain)
        if not further:
            return (got if got.status == 200 else Fetched(url)), ""
        if further in asked or len(asked) == MAX_STEPS:
            return Fetched(url), f"redirects that do not end ({further})"[:300]
        url = further


def _further(got: Fetched, domain: str) -> tuple[str, str]:
    """Where an answer leads, "" where it is the last; and the domain that is asked for from there."""
    told = {name: text for name, text in elements(got.body) if name in ("RedirectUrl", "RedirectAddr")}
    if address := told.get("RedirectAddr", ""):
        domain = address.rpartition("@")[2].lower()
        return _https(f"https://autodiscover.{domain}{PATH}"), domain
    place = got.location if 300 <= got.status < 400 else told.get("RedirectUrl", "")
    return _https(place, got.url), domain


def _https(place: str, base: str = "") -> str:
    """A place that may be asked; "" for none, for plain HTTP and for what is no URL."""
    try:
        url = urljoin(base, place.strip()) if place else ""
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return url if named and parts.scheme == "https" and url.isascii() and url.isprintable() and " " not in url else ""
