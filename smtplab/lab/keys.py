"""Keys of the lab, derived from a name: worthless as secrets, the same in every recording.

With random keys each recording would carry new certificates and signatures, and every sample message
signed for the first one would fail on the second.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
WITNESSES = SMALL_PRIMES[:24]


def _numbers(name: str, bits: int) -> Iterator[int]:
    """Numbers of `bits` bits from a hash of the name and a counter."""
    counter = 0
    while True:
        yield int.from_bytes(hashlib.shake_256(f"smtplab lab {name} {counter}".encode()).digest(bits // 8), "big")
        counter += 1


def _is_prime(number: int) -> bool:
    if any(number % prime == 0 for prime in SMALL_PRIMES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in WITNESSES:
        x = pow(witness, odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


@lru_cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key (for DKIM) whose primes follow from the name."""
    half = bits // 2
    candidates = (n | 1 | 3 << (half - 2) for n in _numbers(name, half))
    primes: list[int] = []
    for candidate in candidates:
        if (candidate - 1) % 65537 and _is_prime(candidate):
            primes.append(candidate)
        if len(primes) == 2:
            break
    p, q = sorted(primes, reverse=True)
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), pow(q, -1, p), public)
    return numbers.private_key()


@lru_cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 key (certificates, DNSSEC) that follows from the name."""
    return ec.derive_private_key(next(_numbers(name, 248)) + 1, ec.SECP256R1())


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """The key as OpenSSL reads it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def dkim_record(name: str) -> str:
    """A DKIM key record as quoted strings of a zone file, none longer than 255 octets (RFC 6376 section 3.6.2.2)."""
    public = rsa_key(name).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))
