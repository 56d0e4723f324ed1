"""What a server answers to a ClientHello of our own making: the version, cipher suite and group it chooses.

RFC 5246 and 8446, section 4.1.2. No cryptography is needed and none of this machine's: a library that no longer
speaks TLS 1.0 cannot tell whether a server still does, and one without ML-KEM cannot tell whether a server has it.
Up to TLS 1.2 the server answers with its certificate and signature, up to ServerHelloDone; TLS 1.3 gets a hello
without a key share and answers HelloRetryRequest, which names its group, or, where it takes none of ours, an alert.
"""

from __future__ import annotations

import os
import struct

from smtplab.net import Unknown
from smtplab.net.channel import BUSY, Channel
from smtplab.net.suites import ciphers
from smtplab.net.suites import groups as known_groups

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""By the names that OpenSSL gives them."""
LEGACY = ("TLSv1", "TLSv1.1")
"""Those that RFC 8996 forbids."""
MAX_ANSWER = 131_072
_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _KEY_EXCHANGE, _HELLO_DONE = 2, 12, 14
_NAMED_CURVE = 3
_SUPPORTED_VERSIONS, _KEY_SHARE = 43, 51
_TLS12, _TLS13 = 0x0303, 0x0304
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)


def client_hello(host: str, version: str, suites: tuple[int, ...] = (), groups: tuple[int, ...] = ()) -> bytes:
    """A record with a ClientHello that offers just this version, and these suites and groups (none: all we know)."""
    number = VERSIONS[version]
    name = host.encode("ascii", "ignore")[:255]
    extensions = _extension(0, _vector16(b"\0" + _vector16(name))) if name else b""
    extensions += _extension(10, _vector16(_shorts(groups or tuple(known_groups(version)))))
    extensions += _extension(11, b"\x01\x00")
    if number >= _TLS12:
        extensions += _extension(13, _vector16(_shorts(_SIGNATURES)))
    if number >= _TLS13:
        extensions += _extension(_SUPPORTED_VERSIONS, b"\x02" + struct.pack("!H", number))
        extensions += _extension(_KEY_SHARE, _vector16(b""))
    body = struct.pack("!H", min(number, _TLS12)) + os.urandom(32) + b"\x20" + os.urandom(32)
    body += _vector16(_shorts(suites or tuple(ciphers(version)))) + b"\x01\x00" + _vector16(extensions)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return struct.pack("!BHH", _HANDSHAKE, 0x0301, len(message)) + message


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack("!H", number) + _vector16(body)


def _vector16(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _shorts(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)


class Answer:
    """What a server sent back, fed piece by piece: `verdict` is None until it is clear.

    `cipher` and `group` are the numbers of what it chose, 0 where it did not say.
    """

    def __init__(self, version: str) -> None:
        self.version = VERSIONS[version]
        self.cipher = self.group = 0
        self.verdict: bool | None = None
        self.why = ""
        self._records = b""
        self._messages = b""
        self._hello = False

    @property
    def busy(self) -> bool:
        """The server refuses in plain text, as Exim does where a handshake is due and it has too many clients."""
        return self._records.startswith(BUSY)

    def feed(self, data: bytes) -> None:
        """Take more bytes; raises ValueError when they are no TLS."""
        self._records += data
        while self.verdict is None and len(self._records) >= 5:
            kind, major, _, length = struct.unpack("!BBBH", self._records[:5])
            if kind not in (_ALERT, _HANDSHAKE) or major != 3 or length > 18_432:
                raise ValueError("the answer is not TLS")
            if len(self._records) < 5 + length:
                return
            body, self._records = self._records[5 : 5 + length], self._records[5 + length :]
            if kind == _ALERT:
                self.verdict, self.why = False, f"alert {body[1] if len(body) > 1 else 0}"
            else:
                self._messages += body
                self._read_messages()

    def _read_messages(self) -> None:
        while self.verdict is None and len(self._messages) >= 4:
            length = int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < 4 + length:
                return
            kind, body = self._messages[0], self._messages[4 : 4 + length]
            self._messages = self._messages[4 + length :]
            if kind == _SERVER_HELLO:
                self._read_hello(body)
            elif kind == _KEY_EXCHANGE and body[:1] == bytes([_NAMED_CURVE]):
                self.group = int.from_bytes(body[1:3], "big")
            elif kind == _HELLO_DONE:
                self.verdict = self._hello

    def _read_hello(self, body: bytes) -> None:
        """Version, random, session id, cipher suite, compression, extensions."""
        self._hello = True
        if len(body) < 38:
            raise ValueError("the ServerHello is too short")
        chosen, at = int.from_bytes(body[:2], "big"), 35 + body[34]
        self.cipher = int.from_bytes(body[at : at + 2], "big")
        at += 5
        while at + 4 <= len(body):
            number, length = struct.unpack("!HH", body[at : at + 4])
            value = int.from_bytes(body[at + 4 : at + 6], "big")
            if number == _SUPPORTED_VERSIONS and length == 2:
                chosen = value
            elif number == _KEY_SHARE:
                self.group = value
            at += 4 + length
        if chosen != self.version:
            self.verdict, self.why = False, f"answered with {chosen:#06x}"
        elif self.version >= _TLS13:
            self.verdict = True


async def offer(
    channel: Channel,
    host: str,
    version: str,
    timeout: float,
    suites: tuple[int, ...] = (),
    groups: tuple[int, ...] = (),
) -> Answer:
    """Send the hello where a handshake is due; raises Unknown for silence, too much, no TLS, or a busy server."""
    answer = Answer(version)
    await channel.write(client_hello(host, version, suites, groups), timeout)
    read = 0
    try:
        while answer.verdict is None:
            data = await channel.read(timeout)
            read += len(data)
            if not data:
                # Dovecot, for one, closes instead of sending an alert.
                answer.verdict, answer.why = False, "closed"
            elif read > MAX_ANSWER:
                raise Unknown("the answer to the hello is too long")
            else:
                answer.feed(data)
    except ValueError as e:
        raise Unknown("throttled" if answer.busy else str(e)) from e
    except ConnectionError:
        answer.verdict, answer.why = False, "closed"
    return answer
