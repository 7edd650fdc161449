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
"""Files are read by 1 MiB; a line longer than that is no row of a table and the rest is not read."""

_DNA = re.compile(r"[A-Za-z]{6,}")
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "a spreadsheet or zip file; save the sheet as CSV or TSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the sheet as CSV or TSV",
    b"BZh": "bzip2-compressed; unpack it, or use gzip",
    b"\xfd7zXZ": "xz-compressed; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it, or use gzip",
    b"\x1f\x8b": "compressed twice; unpack it once",
    b"PAR1": "a Parquet file inside gzip; unpack it",
    b"%PDF": "a PDF; save the table as CSV or TSV",
}
_STARTS = {"{": "JSON", "[": "JSON", "<": "HTML or XML", "@": "FASTQ or SAM"}
_SEPARATORS = {";": "';'", "|": "'|'"}


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
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, expected a table; name the file in it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the file: {error.strerror or error}; check its path") from error
    if not data.strip():
        raise InputError(f"{path}: the file is empty; expected a header and one row per sequence")
    return _fasta(data, path) if data.lstrip()[:1] == b">" else _delimited(data, path)


def _parquet(path: Path) -> Columns:
    try:
        frame = pl.read_parquet(path)
    except Exception as error:  # polars raises several kinds for a damaged file
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error
    _check_names([name.strip().lower() for name in frame.columns], str(path))
    labels = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return Columns(frame.with_columns(pl.col(labels).cast(pl.String)), 1, "row")


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
                raise InputError(
                    f"{path}: line {line}: binary data; expected a text table, Parquet or FASTA: is it this file?"
                )
            parts.append(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the gzip file is damaged or cut short ({error}); copy or download it again"
        ) from error
    data = b"".join(parts)
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _pieces(stream: io.BufferedIOBase, path: Path) -> Iterator[bytes]:
    lines = length = 0
    while piece := stream.read(PIECE):
        first, last = (find(b"\n") if b"\n" in piece else find(b"\r") for find in (piece.find, piece.rfind))
        if length + (first if first >= 0 else len(piece)) > PIECE:
            raise InputError(
                f"{path}: line {lines + 1}: over {PIECE:,} letters long; expected one short sequence a line"
            )
        length = len(piece) - last - 1 if last >= 0 else length + len(piece)
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
    skipped = data[: len(data) - len(data.lstrip())]
    data, above = data[len(skipped) :], skipped.count(b"\n")
    head = data[: data.find(b"\n") if b"\n" in data else None].strip(b"\r")
    separator = b"\t" if b"\t" in head else b","
    first = _first_fields(data, head, separator.decode(), f"{path}: line {above + 1}", path)
    headless = _is_row(first)
    names = [] if headless else [name.strip().lower() for name in first]
    _check_names(names, f"{path}: line {above + 1}")
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator.decode(),
            has_header=not headless,
            infer_schema=False,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        _explain(skipped + data, separator.decode(), len(first), path)
        raise InputError(f"{path}: cannot read the table: {str(error).splitlines()[0]}; export it as TSV") from error
    frame = _without_blank_end(frame)
    if data.count(separator) < (len(first) - 1) * (frame.height + (not headless)):
        _explain(skipped + data, separator.decode(), len(first), path)
    if headless:
        frame = frame.rename(dict(zip(frame.columns, ["sequence", "expression"], strict=False)))
    empty = [column for name, column in zip(names, frame.columns, strict=False) if not name]
    frame = frame.drop(column for column in empty if frame[column].is_null().all())
    first_line = above + (1 if headless else 2)
    if b'"' in data and data.rstrip().count(b"\n") + headless > frame.height:
        return Columns(frame, 1, "row")  # quoted text holds line ends, so rows are not lines
    return Columns(frame, first_line, "line")


def _first_fields(data: bytes, head: bytes, separator: str, place: str, path: Path) -> list[str]:
    """Fields of the first line, unless it shows that this is no table with tabs or commas."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        _not_utf8(data, error.start, path)
    if (start := text[:1]) in _STARTS and (start != "@" or separator not in text):
        raise InputError(f"{place}: starts like {_STARTS[start]}; expected a table, Parquet or FASTA")
    try:
        fields = next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{place}: {error}; is a closing quote missing? expected names of columns") from error
    if len(fields) > 1:
        if len(fields) > 2 and _is_row(fields[:1]):
            raise InputError(
                f"{place}: starts with a sequence and has {len(fields)} fields, expected a header; write one such as "
                "'sequence', 'expression', ... above it (only two columns may go without), and numbers as 1.5, not 1,5"
            )
        return fields
    if b"\n>" in data:
        raise InputError(f"{place}: text before the first '>'; expected FASTA to start with '>name', remove the rest")
    if start == "#":
        raise InputError(f"{place}: a comment, expected names of columns; remove lines that start with '#'")
    for mark, words in _SEPARATORS.items():
        if mark in text:
            raise InputError(
                f"{place}: columns separated by {words}, expected tabs or commas; export it as TSV or CSV with a "
                "decimal point"
            )
    if len(text.split()) > 1:
        raise InputError(f"{place}: columns separated by blanks, expected tabs or commas; export it as TSV")
    return fields


def _check_names(names: list[str], place: str) -> None:
    """Refuse a column that stands twice; nameless ones are what spreadsheets leave at the end."""
    for name in names:
        if name and names.count(name) > 1:
            raise InputError(f"{place}: column {name!r} stands twice; keep one of them")


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


def _explain(data: bytes, separator: str, width: int, path: Path) -> None:
    """Find the line that a fast parser complained about, or where a field is missing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _not_utf8(data, error.start, path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for fields in reader:
            if len(fields) != width and any(field.strip() for field in fields):
                hint = "; a decimal comma? write 1.5, not 1,5" if separator == "," else "; mend the line"
                hint = hint if len(fields) > width else "; complete the line, or is the file cut short?"
                place = f"{path}: line {reader.line_num}"
                raise InputError(f"{place}: {len(fields)} fields, expected the {width} of the first line{hint}")
    except csv.Error as error:
        raise InputError(
            f"{path}: line {reader.line_num}: {error}; is a closing quote missing? expected one row a line"
        ) from error


def _not_utf8(data: bytes, at: int, path: Path) -> NoReturn:
    line = data.count(b"\n", 0, at) + 1
    raise InputError(f"{path}: line {line}: not UTF-8 text (byte 0x{data[at]:02x}); save the file as UTF-8")
