"""Fetch one file over HTTP: resumable, checked, and clear about what went wrong.

Bytes go to `NAME.part`. When the connection breaks, the part stays and the next run continues it with a Range
request; a server that ignores the range makes it start again. A file is renamed to its name only when its length
(and its SHA-256, where known) is right.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError

PIECE = 1 << 18
"""Bytes asked for at a time."""
OFFLINE = "to try leanseq without a network, make data with: leanseq simulate FILE.tsv"

Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and the total, where the server tells it."""


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """Download `url` to `target`, continuing where an earlier attempt stopped.

    Parameters
    ----------
    url
        An http or https address.
    target
        The file to make; its folder exists.
    sha256
        Expected hash, 64 hexadecimal digits; None where unknown.
    size
        Expected length, bytes; None where unknown.
    timeout
        Longest wait without a byte, seconds.
    progress
        Called as bytes arrive.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    InputError
        If there is no network, the server refuses, the transfer stalls or breaks (the part is kept), the file is
        not the one expected (it is removed), or it cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        if size is None or not part.exists() or part.stat().st_size < size:
            _receive(url, part, size, timeout, progress or (lambda _done, _total: None))
        _check(part, url, sha256, size)
        part.replace(target)
    except InputError:
        raise
    except (TimeoutError, urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
        raise InputError(_broken(error, url, part, timeout)) from error
    except OSError as error:
        raise InputError(f"{part}: cannot write the download: {error.strerror or error}") from error
    return target


def _receive(url: str, part: Path, size: int | None, timeout: float, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "leanseq", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            # 416: nothing is left to send, or the part is not of this file; only a hash or a size can tell.
            if error.code != 416 or not have:
                raise
        part.unlink()
        return _receive(url, part, size, timeout, progress)
    with response:
        resumed = response.status == 206 and _first_byte(response.headers.get("Content-Range")) == have
        if response.status == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise InputError(f"{url}: the server sent another part than asked for; run it again to start anew")
        done = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else size
        with part.open("ab" if resumed else "wb") as out:
            progress(done, total)
            while piece := response.read1(PIECE):
                out.write(piece)
                done += len(piece)
                progress(done, total)
            out.flush()
            os.fsync(out.fileno())
    if total is not None and done < total:
        raise InputError(
            f"{url}: the connection ended after {done:,} of {total:,} bytes; the start is kept in {part}, "
            "run the same command again to continue"
        )


def _first_byte(content_range: str | None) -> int | None:
    """The first byte of `bytes 5-9/10`."""
    words = (content_range or "").removeprefix("bytes").strip().split("-")
    return int(words[0]) if words[0].isdigit() else None


def _check(part: Path, url: str, sha256: str | None, size: int | None) -> None:
    """Compare length and hash; a wrong file is removed, as nothing can be continued from it."""
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise InputError(
            f"{url}: got {found:,} bytes, expected {size:,}; the file was removed: it changed at its source, or "
            "something on the way replaced it"
        )
    if sha256 is None:
        return
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        part.unlink()
        raise InputError(
            f"{url}: SHA-256 is {digest}, expected {sha256}; the file was removed: run the command again, and if "
            "it stays wrong the file changed at its source"
        )


def _broken(error: Exception, url: str, part: Path, timeout: float) -> str:
    """One line on a transfer that failed: what, where, what to do."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    again = (
        f"what arrived is kept in {part}, run the same command again to continue"
        if part.exists()
        else f"try again later; {OFFLINE}"
    )
    if isinstance(error, urllib.error.HTTPError):
        return f"{url}: the server answered {error.code} {error.reason}; {_advice(error.code)}"
    if isinstance(cause, TimeoutError):
        return f"{url}: no data for {timeout:g} s (the connection stalled); {again}"
    if isinstance(cause, socket.gaierror):
        return f"{url}: the server's name cannot be found, so there is no network here; {OFFLINE}"
    if isinstance(cause, ConnectionRefusedError) or isinstance(error, urllib.error.URLError):
        return f"{url}: cannot connect ({cause}), so there is no network here or the server is down; {OFFLINE}"
    return f"{url}: the connection broke ({cause!r}); {again}"


def _advice(code: int) -> str:
    if code >= 500 or code == 429:
        return "the fault is on its side: try again later"
    return f"the file has moved or needs a login; {OFFLINE}"
