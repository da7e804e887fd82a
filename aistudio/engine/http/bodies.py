"""Bodies of answers: unpacked while they come, and given up when they grow too large."""

import zlib
from collections.abc import AsyncIterable

_GZIP = zlib.MAX_WBITS | 16


class BodyTooLarge(Exception):
    """The body has more bytes than are taken.

    Attributes:
        beginning: those that came before that was known.
    """

    def __init__(self, beginning: bytes) -> None:
        super().__init__()
        self.beginning = beginning


class BrokenBody(Exception):
    """The body cannot be unpacked, or ends too early."""


async def read(chunks: AsyncIterable[bytes], *, gzipped: bool, most: int) -> bytes:
    """The body, unpacked, of at most so many bytes; what follows is neither read nor unpacked.

    Raises:
        BodyTooLarge: it has more, packed or unpacked.
        BrokenBody: it is no gzip, or not all of it.
    """
    unpacking = _Unpacking(most)
    came, body = 0, bytearray()
    async for chunk in chunks:
        came += len(chunk)
        body += unpacking.more(chunk) if gzipped else chunk
        if max(came, len(body)) > most:
            raise BodyTooLarge(bytes(body[:most]))
    if gzipped and came and not unpacking.whole:
        raise BrokenBody
    return bytes(body)


class _Unpacking:
    """Unpacks gzip of one or several members, and of each chunk no more than a byte over `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._member = zlib.decompressobj(_GZIP)

    @property
    def whole(self) -> bool:
        """Whether the gzip may end here."""
        return self._member.eof

    def more(self, packed: bytes) -> bytes:
        """What the next packed bytes hold.

        Raises:
            BrokenBody: they are no gzip.
        """
        unpacked = bytearray()
        while packed and len(unpacked) <= self._most:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                unpacked += self._member.decompress(packed, self._most + 1 - len(unpacked))
            except zlib.error:
                raise BrokenBody from None
            packed = self._member.unused_data or self._member.unconsumed_tail
        return bytes(unpacked)
