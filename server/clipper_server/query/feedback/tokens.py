"""Tokens: what a frontend says of a decision, signed, so that any frontend can believe it later."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

from ...feedback import MAX_TOKEN

_SIGNATURE = 16  # bytes
_MAX_TEXT = MAX_TOKEN * 3 // 4 - _SIGNATURE
_TO_BASE64, _TO_LETTERS = bytes.maketrans(b"-_", b"+/"), bytes.maketrans(b"+/", b"-_")


class Tokens:
    """Signs with the last but one of the snapshot's keys, and takes what any of them signed."""

    def __init__(self) -> None:
        self._signing: blake2b | None = None
        self._taken: list[blake2b] = []

    def configure(self, keys: Sequence[str]) -> None:
        """`keys` are in hexadecimal digits, the newest last."""
        self._taken = [blake2b(key=bytes.fromhex(key), digest_size=_SIGNATURE) for key in keys]
        self._signing = self._taken[-2:][0] if self._taken else None

    def make(self, text: bytes) -> str | None:
        """A token of URL-safe letters; None where it would be too long, or there is no key."""
        if self._signing is None or len(text) > _MAX_TEXT:
            return None
        return _letters(text + _signature(self._signing, text)).decode()

    def check(self, token: str) -> bytes | None:
        """The text that was signed; None where it was not, or not so."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        letters = token.encode()
        try:
            signed = binascii.a2b_base64(letters.translate(_TO_BASE64) + b"=" * (-len(letters) % 4))
        except binascii.Error:
            return None
        if _letters(signed) != letters:  # letters that say nothing are read over
            return None
        text, signature = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
        found = [compare_digest(_signature(key, text), signature) for key in self._taken]
        return text if any(found) else None


def _signature(key: blake2b, text: bytes) -> bytes:
    digest = key.copy()
    digest.update(text)
    return digest.digest()


def _letters(signed: bytes) -> bytes:
    return binascii.b2a_base64(signed, newline=False).translate(_TO_LETTERS, b"=")
