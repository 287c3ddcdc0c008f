"""Callback secrets, the check of API keys, and encryption at rest, all derived from `SECRET_KEY`.

One key per purpose is derived by HKDF-SHA256 with a label, so that what leaks from one use says nothing
about another. The first `SECRET_KEY` writes; all of them are tried when something is read or checked.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# What a value of this form begins with. Fernet's, of before, begin with a letter.
AES_GCM = b"\x01"
NONCE_BYTES = 12


class UndecryptableError(Exception):
    """A stored value was encrypted under a key that `SECRET_KEY` no longer holds."""


def _derive(secret_key: str, label: str) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"presshook:{label}".encode())
    return kdf.derive(secret_key.encode())


def key_id(secret_key: str) -> str:
    """Return what names a key without telling it."""
    return _derive(secret_key, "key id")[:4].hex()


def _bearer(digest: bytes) -> str:
    return f"Bearer {urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _is_any_of(expected: Sequence[bytes], presented: bytes) -> bool:
    """Compare with every key's value, whichever fits, in a time that does not tell which."""
    matches = [hmac.compare_digest(value, presented) for value in expected]
    return any(matches)


class CallbackSecrets:
    """The `Authorization` value of every order's callback: computed, never stored."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        """Derive the signing keys; the first of `secret_keys` signs, all are accepted."""
        # Keyed once, and copied for each value: in a flood of forgeries that is half of what they cost.
        self._keyed = [hmac.new(_derive(key, "callback"), digestmod="sha256") for key in secret_keys]
        self.key_id = key_id(secret_keys[0])
        """Names the signing key without telling it, to know which orders depend on it."""

    def authorization(self, order_id: UUID) -> str:
        """Return the header's value that CloudPress is given for the order."""
        return self._sign(self._keyed[0], str(order_id))

    def authorizations(self, order_id: UUID) -> tuple[str, ...]:
        """Return every value that CloudPress may have been given for the order, also under an earlier key."""
        return tuple(self._sign(keyed, str(order_id)) for keyed in self._keyed)

    def verify(self, order_id: str, authorization: bytes) -> bool:
        """Tell whether `authorization` is the value for `order_id`, in constant time.

        The text of the address is signed as it came, so nothing is looked up or parsed, and an order
        that does not exist is refused exactly as a wrong value is.
        """
        return _is_any_of([self._sign(keyed, order_id).encode() for keyed in self._keyed], authorization)

    @staticmethod
    def _sign(keyed: hmac.HMAC, order_id: str) -> str:
        signing = keyed.copy()
        signing.update(f"callback:{order_id}".encode(errors="replace"))
        return _bearer(signing.digest())


class ProbeSecrets:
    """What `presshook doctor` knocks with, and how a deployment proves that it was the one that answered.

    Both are made of keys of their own purpose: what a probe carries opens nothing else.
    """

    def __init__(self, secret_keys: Sequence[str]) -> None:
        """Derive the keys; the first of `secret_keys` knocks, all are known."""
        self._keys = [_derive(key, "probe") for key in secret_keys]

    def value(self, probe: str) -> str:
        """Return what a probe is sent with, in `Authorization` and beside it."""
        return self._value(self._keys[0], probe)

    def verify(self, probe: str, value: bytes) -> bool:
        """Tell whether `value` is that of a probe, under any key, in constant time."""
        return _is_any_of([self._value(key, probe).encode() for key in self._keys], value)

    def proof(self, probe: str, said: str) -> str:
        """Return what proves that whoever said this of a probe has our first key."""
        return hmac.digest(self._keys[0], f"answer:{probe}:{said}".encode(), "sha256").hex()

    def is_proven(self, probe: str, said: str, proof: str) -> bool:
        """Tell whether that was said by a deployment with one of our keys."""
        expected = [hmac.digest(key, f"answer:{probe}:{said}".encode(), "sha256").hex() for key in self._keys]
        return _is_any_of([each.encode() for each in expected], proof.encode())

    @staticmethod
    def _value(key: bytes, probe: str) -> str:
        digest = hmac.digest(key, f"probe:{probe}".encode(errors="replace"), "sha256")
        return _bearer(digest)


class ProgressAddresses:
    """The addresses of end users' pages: an order's id and a signature each, so that nobody guesses one."""

    _SIGNATURE_BYTES = 16

    def __init__(self, secret_keys: Sequence[str]) -> None:
        """Derive the keys; the first of `secret_keys` signs, all are accepted."""
        self._keys = [_derive(key, "progress page") for key in secret_keys]

    def address(self, order_id: UUID) -> str:
        """Return the part of the address that names the order's page."""
        signed = order_id.bytes + self._sign(self._keys[0], order_id.bytes)
        return urlsafe_b64encode(signed).rstrip(b"=").decode()

    def order_id(self, address: str) -> UUID | None:
        """Return whose page an address is, None where we have made no such address. In constant time."""
        try:
            signed = urlsafe_b64decode(f"{address}=".encode("ascii"))
        except ValueError:
            return None
        # The last character has bits that no byte has: of all that read alike, one is the address.
        if len(signed) != 16 + self._SIGNATURE_BYTES or urlsafe_b64encode(signed)[:-1].decode() != address:
            return None
        named, signature = signed[:16], signed[16:]
        is_ours = _is_any_of([self._sign(key, named) for key in self._keys], signature)
        return UUID(bytes=named) if is_ours else None

    @classmethod
    def _sign(cls, key: bytes, order_id: bytes) -> bytes:
        return hmac.digest(key, b"progress:" + order_id, "sha256")[: cls._SIGNATURE_BYTES]


@dataclass(frozen=True)
class SignedIn:
    """That somebody signed in with a key: the key's digest, and for how many seconds more that is good."""

    digest: str
    lasts_seconds: float

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return f"SignedIn({self.lasts_seconds:.0f} s)"


class SessionSeals:
    """What a browser that has signed in keeps: a digest of the API key, sealed, and never the key itself.

    Whoever has it can be nobody at the API, which wants the key; and it says nothing of the key without
    `SECRET_KEY`.
    """

    def __init__(self, secret_keys: Sequence[str], *, seconds: int) -> None:
        """Derive the keys; the first of `secret_keys` seals, all open. A seal is good for `seconds`."""
        self._seconds = seconds
        keys = [urlsafe_b64encode(_derive(key, "dashboard session")) for key in secret_keys]
        self._fernets = [Fernet(key) for key in keys]

    def seal(self, digest: str, *, now: float) -> str:
        """Return what stands for a sign-in at `now`, in seconds since 1970."""
        return self._fernets[0].encrypt_at_time(digest.encode(), int(now)).decode()

    def open(self, sealed: str, *, now: float) -> SignedIn | None:
        """Return who signed in, None where nobody did, or too long ago."""
        for fernet in self._fernets:
            try:
                digest = fernet.decrypt_at_time(sealed, self._seconds, int(now))
                sealed_at = fernet.extract_timestamp(sealed)
            except (InvalidToken, ValueError):
                continue
            return SignedIn(digest.decode(), sealed_at + self._seconds - now)
        return None


class Encryption:
    """Encrypts what is secret at rest: AES-256-GCM, under a nonce of its own for each value.

    A nonce is drawn, so one key is good for some four billion values; each order has less than ten. What was
    written as Fernet, which costs ten times as much and a third more room, is read as well.
    """

    def __init__(self, secret_keys: Sequence[str]) -> None:
        """Derive the keys; the first of `secret_keys` encrypts, all decrypt."""
        self._ciphers = [AESGCM(_derive(key, "at rest, AES-256-GCM")) for key in secret_keys]
        self._fernet = MultiFernet(
            [Fernet(urlsafe_b64encode(_derive(key, "at rest"))) for key in secret_keys]
        )

    def encrypt(self, value: bytes) -> bytes:
        """Return `value` encrypted under the first key."""
        nonce = os.urandom(NONCE_BYTES)
        return AES_GCM + nonce + self._ciphers[0].encrypt(nonce, value, AES_GCM)

    def decrypt(self, value: bytes) -> bytes:
        """Return what `encrypt` was given.

        Raises:
            UndecryptableError: no key of `SECRET_KEY` fits.
        """
        if value[:1] == AES_GCM:
            nonce, sealed = value[1 : 1 + NONCE_BYTES], value[1 + NONCE_BYTES :]
            for cipher in self._ciphers:
                with suppress(InvalidTag, ValueError):
                    return cipher.decrypt(nonce, sealed, AES_GCM)
        else:
            with suppress(InvalidToken):
                return self._fernet.decrypt(value)
        raise UndecryptableError("no key of SECRET_KEY decrypts a stored value")


class NoEncryption:
    """Stands where nothing secret is read or written, so that no key is needed."""

    def encrypt(self, value: bytes) -> bytes:
        """Refuse."""
        raise UndecryptableError(f"is needed to write {len(value)} bytes")

    def decrypt(self, value: bytes) -> bytes:
        """Refuse."""
        raise UndecryptableError(f"is needed to read {len(value)} bytes")


def same_key(presented: str, expected: str) -> bool:
    """Compare two API keys in a time that depends on neither's content nor length."""
    digests = (hashlib.sha256(key.encode()).digest() for key in (presented, expected))
    return hmac.compare_digest(*digests)
