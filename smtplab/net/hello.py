"""Which TLS versions a server accepts, by a ClientHello of our own making.

RFC 5246 and 8446, section 4.1.2. No cryptography is needed and none of this machine's: a library that no longer
speaks TLS 1.0 cannot tell whether a server still does. Up to TLS 1.2 the server answers with its certificate and
signature, up to ServerHelloDone; TLS 1.3 gets a hello without a key share and answers HelloRetryRequest or, where
it takes none of our groups, an alert.
"""

from __future__ import annotations

import os
import struct

from smtplab.net import Unknown
from smtplab.net.channel import Channel

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
"""By the names that OpenSSL gives them."""
LEGACY = ("TLSv1", "TLSv1.1")
"""Those that RFC 8996 forbids."""
MAX_ANSWER = 131_072
_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _SERVER_HELLO_DONE = 2, 14
_TLS12, _TLS13 = 0x0303, 0x0304
_CIPHERS_13 = (0x1301, 0x1302, 0x1303)
_CIPHERS = (
    # ECDHE and DHE with GCM and ChaCha20 (1.2), with CBC (all), RSA with CBC, 3DES
    *(0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009E, 0x009F, 0x009C, 0x009D),
    *(0xC009, 0xC00A, 0xC013, 0xC014, 0x0033, 0x0039, 0x002F, 0x0035, 0x000A, 0xC012),
)
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)


def client_hello(host: str, version: int) -> bytes:
    """A record with a ClientHello that offers just this version (0x0301 to 0x0304)."""
    name = host.encode("ascii", "ignore")[:255]
    extensions = _extension(0, _vector16(b"\0" + _vector16(name))) if name else b""
    extensions += _extension(10, _vector16(_shorts(_GROUPS))) + _extension(11, b"\x01\x00")
    if version >= _TLS12:
        extensions += _extension(13, _vector16(_shorts(_SIGNATURES)))
    if version >= _TLS13:
        extensions += _extension(43, b"\x02" + struct.pack("!H", version)) + _extension(51, _vector16(b""))
    ciphers = _shorts(_CIPHERS_13 if version >= _TLS13 else _CIPHERS)
    body = struct.pack("!H", min(version, _TLS12)) + os.urandom(32) + b"\x20" + os.urandom(32)
    body += _vector16(ciphers) + b"\x01\x00" + _vector16(extensions)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return struct.pack("!BHH", _HANDSHAKE, 0x0301, len(message)) + message


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack("!H", number) + _vector16(body)


def _vector16(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def _shorts(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)


class Answer:
    """What a server sent back, fed piece by piece: `verdict` is None until it is clear."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.verdict: bool | None = None
        self.why = ""
        self._records = b""
        self._messages = b""
        self._hello = False

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
                self._hello = True
                if (chosen := _chosen(body)) != self.version:
                    self.verdict, self.why = False, f"answered with {chosen:#06x}"
                elif self.version >= _TLS13:
                    self.verdict = True
            elif kind == _SERVER_HELLO_DONE:
                self.verdict = self._hello


def _chosen(body: bytes) -> int:
    """The version of a ServerHello: of its extension supported_versions, else of its head."""
    if len(body) < 38:
        raise ValueError("the ServerHello is too short")
    version = int.from_bytes(body[:2], "big")
    # Behind version and random: session id, cipher, compression, length of the extensions.
    at = 35 + body[34] + 3 + 2
    while at + 4 <= len(body):
        number, length = struct.unpack("!HH", body[at : at + 4])
        if number == 43 and length == 2:
            return int.from_bytes(body[at + 4 : at + 6], "big")
        at += 4 + length
    return version


async def offer(channel: Channel, host: str, version: str, timeout: float) -> tuple[bool, str]:
    """Send the hello where a handshake is due: accepted or not, and why not; raises Unknown for silence or no TLS."""
    answer = Answer(VERSIONS[version])
    await channel.write(client_hello(host, VERSIONS[version]), timeout)
    read = 0
    try:
        while answer.verdict is None:
            data = await channel.read(timeout)
            read += len(data)
            if not data:
                # Dovecot, for one, closes instead of sending an alert.
                return False, "closed"
            if read > MAX_ANSWER:
                raise Unknown("the answer to the hello is too long")
            answer.feed(data)
    except ValueError as e:
        raise Unknown(str(e)) from e
    except ConnectionError:
        return False, "closed"
    return answer.verdict, answer.why
