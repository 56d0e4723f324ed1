"""One question put to one name server: by UDP, by UDP once more, then by TCP, within a bounded time.

RFC 1035 section 4.2 and RFC 7766 (transports), RFC 5452 (an answer must match its question, and each question
leaves from a port of its own), RFC 9715 (UDP answers small enough not to be cut into fragments).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress

import dns.asyncquery
import dns.exception
import dns.message

from smtplab.net import Unknown

PAYLOAD = 1232
"""Bytes of UDP asked for; larger answers are cut short and come by TCP."""
UDP_WAITS = (0.35, 0.25)
"""Shares of the time that each sending by UDP is waited for; TCP has what is left."""
_TRUNCATED = 0x02


class _AskByTcp(Exception):
    """UDP brought nothing to use; the reason is told should TCP bring nothing either."""


async def exchange(question: dns.message.Message, host: str, port: int, seconds: float) -> dns.message.Message:
    """The server's answer, whatever its rcode; raises Unknown with the reason where there is none in time."""
    ends = time.monotonic() + seconds
    wire = question.to_wire()
    try:
        return await _udp(question, wire, host, port, seconds)
    except _AskByTcp as e:
        why = str(e)
    except OSError as e:
        why = _said(e)
    try:
        return await dns.asyncquery.tcp(question, host, timeout=ends - time.monotonic(), port=port)
    except (dns.exception.Timeout, EOFError, OSError) as e:
        # How UDP failed tells more than a connection that nobody took.
        raise Unknown(why) from e
    except (dns.exception.DNSException, ValueError) as e:
        raise Unknown(f"malformed answer: {type(e).__name__}") from e


def _said(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__


async def _udp(question: dns.message.Message, wire: bytes, host: str, port: int, seconds: float) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        # Connected: strangers' datagrams stay outside, and a closed port is told at once.
        sock.connect((host, port))
        for share in UDP_WAITS:
            sock.send(wire)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds * share):
                    while True:
                        if answer := _read(await loop.sock_recv(sock, 65_535), question, wire):
                            return answer
    raise _AskByTcp("timeout")


def _read(data: bytes, question: dns.message.Message, wire: bytes) -> dns.message.Message | None:
    """The answer in a datagram; None for one that belongs to another question."""
    if len(data) < 12 or data[:2] != wire[:2]:
        return None
    if data[2] & _TRUNCATED:
        raise _AskByTcp("too long for UDP, and no answer by TCP")
    try:
        answer = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError) as e:
        raise _AskByTcp(f"malformed answer: {type(e).__name__}") from e
    return answer if question.is_response(answer) else None
