"""The body of a request: read whole, within a limit, and unpacked where it came packed."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import BinaryIO

from starlette.types import Message, Receive, Scope

MAX_BYTES = 64 * 2**20
"""Bytes of a body, as it came and unpacked; the largest request that is answered has half of it."""

LINGER = 5.0
"""Seconds for which the rest of a refused body is heard out: who still sends reads no answer."""

PATIENCE = 60.0
"""Seconds that a body may take to come."""

PIECE = 2**20
"""Bytes that are unpacked at a time."""

GZIP = ("gzip", "x-gzip")
TOO_LARGE = f"the body is larger than {MAX_BYTES // 2**20} MiB, ask for fewer sources at once"


class RefusedBody(Exception):
    """A body that is not taken: the status of HTTP, why in a sentence, and whether it ended."""

    def __init__(self, status: int, told: str, *, ended: bool) -> None:
        super().__init__(told)
        self.status = status
        self.ended = ended


async def unpacked(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """The request with its body read and unpacked.

    Raises RefusedBody for one that is too large, of an unknown encoding, or not what it says.
    """
    is_packed = _is_packed(scope)
    length = _header(scope, b"content-length")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise RefusedBody(413, TOO_LARGE, ended=False)
    async with _patient():
        body = await _read(receive)
    if is_packed:
        body = gunzipped(body)
        own = (b"content-encoding", b"content-length", b"transfer-encoding")
        kept = [pair for pair in scope["headers"] if pair[0].lower() not in own]
        headers = [*kept, (b"content-length", str(len(body)).encode())]
        scope = {**scope, "headers": headers}
    return scope, told_once(body, receive)


def gunzipped(packed: bytes) -> bytes:
    """What gzip packed, of one member or of several.

    Raises RefusedBody where that is more than MAX_BYTES, cut off, or not gzip.
    """
    if not packed:
        return b""
    parts, size = [], 0
    for part in _unpacking(True)(packed, True):
        size += len(part)
        if size > MAX_BYTES:
            raise RefusedBody(413, f"unpacked, {TOO_LARGE}", ended=True)
        parts.append(part)
    return b"".join(parts)


async def stored(scope: Scope, receive: Receive, file: BinaryIO, most: int) -> None:
    """Write the body of a request into a file, unpacked, as it comes.

    Raises RefusedBody as ``unpacked``, and where it ends before it is whole.
    """
    unpack = _unpacking(_is_packed(scope))
    size, is_last = 0, False
    async with _patient():
        while not is_last:
            message = await receive()
            if message["type"] != "http.request":
                raise RefusedBody(400, "the body is cut off", ended=True)
            is_last = not message.get("more_body", False)
            for part in unpack(message.get("body", b""), is_last):
                size += len(part)
                if size > most:
                    told = f"the table is larger than {most // 2**20} MiB"
                    raise RefusedBody(413, told, ended=is_last)
                file.write(part)


def _unpacking(is_packed: bool) -> Callable[[bytes, bool], Iterator[bytes]]:
    """What gives the next pieces of a body as they are unpacked, none larger than PIECE."""
    member = zlib.decompressobj(wbits=31)

    def plain(piece: bytes, is_last: bool) -> Iterator[bytes]:
        yield piece

    def unpacked(piece: bytes, is_last: bool) -> Iterator[bytes]:
        nonlocal member
        while piece:
            if member.eof:  # gzip may have several members
                member = zlib.decompressobj(wbits=31)
            try:
                part = member.decompress(piece, PIECE)
            except zlib.error as error:
                told = f"the body is not what gzip writes ({error})"
                raise RefusedBody(400, told, ended=is_last) from None
            yield part
            piece = member.unused_data if member.eof else member.unconsumed_tail
            while len(part) == PIECE and not piece and not member.eof:
                yield (part := member.decompress(b"", PIECE))
        if is_last and not member.eof:
            raise RefusedBody(400, "the body that gzip packed is cut off", ended=True)

    return unpacked if is_packed else plain


def _is_packed(scope: Scope) -> bool:
    """Whether gzip packed a body. Raises RefusedBody where something else did."""
    encoding = _header(scope, b"content-encoding").strip().lower()
    if encoding not in ("", "identity", *GZIP):
        raise RefusedBody(
            415, f"Content-Encoding is {encoding}, expected gzip or none", ended=False
        )
    return encoding in GZIP


@contextlib.asynccontextmanager
async def _patient() -> AsyncIterator[None]:
    """Raise RefusedBody for a body that takes longer than PATIENCE to come."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        told = f"the body did not come within {PATIENCE:.0f} seconds"
        raise RefusedBody(408, told, ended=False) from None


async def heard_out(receive: Receive) -> None:
    """Let the rest of a refused body pass, for a while and unread."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            async for _ in _pieces(receive):
                pass


async def _read(receive: Receive) -> bytes:
    parts, size = [], 0
    async for piece, is_last in _pieces(receive):
        size += len(piece)
        if size > MAX_BYTES:
            raise RefusedBody(413, TOO_LARGE, ended=is_last)
        parts.append(piece)
    return b"".join(parts)


async def _pieces(receive: Receive) -> AsyncIterator[tuple[bytes, bool]]:
    """The parts of a body, and of each whether it is the last."""
    is_last = False
    while not is_last:
        message = await receive()
        is_last = message["type"] != "http.request" or not message.get("more_body", False)
        yield message.get("body", b""), is_last


def told_once(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the whole body, and then what the client does."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _header(scope: Scope, name: bytes) -> str:
    """A header; several of one name are one list."""
    found = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
    return ", ".join(found)
