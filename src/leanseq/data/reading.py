"""From a file to columns of text: TSV, CSV, Parquet, FASTA, header-less DREAM tables, plain or gzipped.

The only place where table files are parsed. Nothing is interpreted here but the format; `table.py` checks
what the columns hold.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import polars as pl

from ..errors import InputError

PIECE = 1 << 20
"""Files are read by 1 MiB; a piece without a line end is no table and the rest is not read."""

_DNA = re.compile(r"[A-Za-z]{6,}")
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "a spreadsheet or zip file; save the sheet as CSV or TSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV or TSV",
    b"BZh": "bzip2-compressed; unpack it, or use gzip",
    b"\xfd7zXZ": "xz-compressed; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it, or use gzip",
}


class Columns(NamedTuple):
    """A file's columns, and the line its first row stands on."""

    frame: pl.DataFrame
    """Text columns as found (typed ones from Parquet)."""
    first_line: int
    """1-based line of the first row in a text file; 1 where rows are counted instead."""
    unit: str
    """What a position is called in errors: `line`, `row` or `record`."""


def read_columns(path: Path) -> Columns:
    """Read a file into columns, whatever its format; the format is told by content, not by name.

    Raises
    ------
    InputError
        If the file is missing, unreadable, damaged, not text, or its rows are ragged.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(8)
            if magic[:4] == b"PAR1":
                return _parquet(path)
            file.seek(0)
            data = _text(file, path, magic)
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror or error}") from error
    if not data.strip():
        raise InputError(f"{path}: the file is empty; expected a header and one row per sequence")
    return _fasta(data, path) if data.lstrip()[:1] == b">" else _delimited(data, path)


def _parquet(path: Path) -> Columns:
    try:
        frame = pl.read_parquet(path)
    except Exception as error:  # polars raises several kinds for a damaged file
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error
    return Columns(frame, 1, "row")


def _text(file: io.BufferedReader, path: Path, magic: bytes) -> bytes:
    """Whole text of a plain or gzipped file, refused early where it cannot be a table."""
    packed = magic[:2] == b"\x1f\x8b"
    stream = gzip.GzipFile(fileobj=file) if packed else file
    parts: list[bytes] = []
    try:
        for part in _pieces(stream, path):
            if not parts:
                part = _without_mark(part, path)
            if (at := part.find(b"\0")) >= 0:
                line = sum(p.count(b"\n") for p in parts) + part.count(b"\n", 0, at) + 1
                raise InputError(f"{path}: line {line}: binary data; expected a text table, Parquet or FASTA")
            parts.append(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the gzip file is damaged or cut short ({error}); copy or download it again"
        ) from error
    data = b"".join(parts)
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _pieces(stream: io.BufferedIOBase, path: Path) -> Iterator[bytes]:
    lines = 0
    while piece := stream.read(PIECE):
        if len(piece) == PIECE and b"\n" not in piece and b"\r" not in piece:
            raise InputError(
                f"{path}: line {lines + 1}: over {PIECE:,} letters long; expected one short sequence a line"
            )
        lines += piece.count(b"\n")
        yield piece


def _without_mark(part: bytes, path: Path) -> bytes:
    for magic, what in _FOREIGN.items():
        if part.startswith(magic):
            raise InputError(f"{path}: {what}")
    return part.removeprefix(b"\xef\xbb\xbf")


def _fasta(data: bytes, path: Path) -> Columns:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _not_utf8(data, error.start, path)
    records = text.lstrip().replace("\r", "\n").removeprefix(">").split("\n>")
    names, sequences = [], []
    for number, record in enumerate(records, 1):
        head, _, body = record.partition("\n")
        if not head.strip():
            raise InputError(f"{path}: record {number}: no name after '>'; expected '>name' then the sequence")
        names.append(head.split()[0])
        sequences.append("".join(body.split()))
    return Columns(pl.DataFrame({"id": names, "sequence": sequences}), 1, "record")


def _delimited(data: bytes, path: Path) -> Columns:
    start = len(data) - len(data.lstrip())
    if start:
        data = data[start:]
    end = data.find(b"\n")
    head = data[: end if end >= 0 else len(data)].decode("utf-8", "replace").strip("\r")
    separator = "\t" if "\t" in head else ","
    first = next(csv.reader([head], delimiter=separator))
    if len(first) == 1 and ";" in head:
        raise InputError(
            f"{path}: line 1: columns separated by ';', expected tabs or commas; export it as TSV or CSV with a "
            "decimal point"
        )
    if len(first) == 1 and len(head.split()) > 1:
        raise InputError(f"{path}: line 1: columns separated by blanks, expected tabs or commas; export it as TSV")
    headless = _is_row(first)
    if not headless:
        names = [name.strip().lower() for name in first]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{path}: line 1: column {name!r} stands twice; keep one of them")
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=not headless,
            infer_schema=False,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        _explain(data, separator, len(first), path, str(error))
    if headless:
        frame = frame.rename(dict(zip(frame.columns, ["sequence", "expression"], strict=False)))
    return Columns(_without_blank_end(frame), 1 if headless else 2, "line")


def _is_row(fields: list[str]) -> bool:
    """Whether a first line is data already: a sequence, alone or with a number (the DREAM form)."""
    if len(fields) > 2 or not _DNA.fullmatch(fields[0].strip()) or set(fields[0].strip().upper()) - set("ACGTN"):
        return False
    if len(fields) == 1:
        return True
    try:
        float(fields[1].strip().replace(",", "."))
    except ValueError:
        return False
    return True


def _without_blank_end(frame: pl.DataFrame) -> pl.DataFrame:
    rows = frame.height
    while rows and all(value is None or not str(value).strip() for value in frame.row(rows - 1)):
        rows -= 1
    return frame.head(rows)


def _explain(data: bytes, separator: str, width: int, path: Path, reason: str) -> NoReturn:
    """Find the line a fast parser only complained about."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _not_utf8(data, error.start, path)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for fields in reader:
            if len(fields) > width:
                hint = "; a decimal comma? write 1.5, not 1,5" if separator == "," else ""
                raise InputError(
                    f"{path}: line {reader.line_num}: {len(fields)} fields, expected the {width} of line 1{hint}"
                )
    except csv.Error as error:
        raise InputError(
            f"{path}: line {reader.line_num}: {error}; is a closing quote missing? expected one row a line"
        ) from error
    raise InputError(f"{path}: cannot read the table: {reason.splitlines()[0]}")


def _not_utf8(data: bytes, at: int, path: Path) -> NoReturn:
    line = data.count(b"\n", 0, at) + 1
    raise InputError(f"{path}: line {line}: not UTF-8 text (byte 0x{data[at]:02x}); save the file as UTF-8")
