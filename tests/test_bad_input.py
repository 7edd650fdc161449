"""Bad input is refused with one line that says where, what was found, what was expected and what to do.

Messages are given as pieces that must stand in this order, with ` … ` between them. Every refusal is also checked
to leave all files as they were.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import shutil
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import leanseq
from leanseq import InputError
from leanseq.cli import main
from leanseq.data import reading

LEFT, RIGHT = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
OTHER = ("TCACGCAGTATAGTTC", "GGTTTATTGTTTATAAAAA")
QUICK = {"size": "tiny", "epochs": 1, "batch": 16, "threads": 1}
PLAIN = "sequence\texpression\nACGTACGT\t1.5\nGGGGCCCC\t2\nACGTNCGT\t3\n"
COMMA = PLAIN.replace("\t", ",")
ZIPPED = gzip.compress(PLAIN.encode() * 100)


def listing(folder):
    """Every path below a folder; of files also size and time of change."""
    stats = {path: path.stat() for path in folder.rglob("*")}
    return {path: path.is_file() and (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def says(message, pieces):
    assert "\n" not in message
    assert re.search(".*".join(map(re.escape, pieces.split(" … "))), message), message


@contextmanager
def refused(folder, pieces):
    before = listing(folder)
    with pytest.raises(InputError) as caught:
        yield
    says(str(caught.value), pieces)
    assert listing(folder) == before


def write(folder, content, name="t.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def simulated(n=120, seed=0, left=LEFT, right=RIGHT):
    rng = np.random.default_rng(seed)
    inserts = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(n)]
    return pl.DataFrame({"sequence": [left + s + right for s in inserts], "expression": rng.normal(size=n).round(4)})


def save(frame, folder, name="t.tsv"):
    path = folder / name
    frame.write_csv(path, separator="\t")
    return path


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return save(simulated(), tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    return leanseq.train(toy, output=tmp_path_factory.mktemp("trained") / "run", **QUICK).folder


@pytest.fixture
def run(trained, tmp_path):
    """A finished run to spoil."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Call the command line in an empty folder; it must fail with one line and write nothing."""
    monkeypatch.chdir(tmp_path)

    def call(pieces, *arguments):
        before = listing(tmp_path)
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert stopped.value.code == 2
        assert said.err.startswith("leanseq: error: ")
        assert said.err.count("\n") == 1
        assert "Traceback" not in said.err
        assert said.out == ""
        says(said.err.strip(), pieces)
        assert listing(tmp_path) == before

    return call


# --- tables -----------------------------------------------------------------------------------------------------------

COLUMN = "t.tsv: line 3: column"
NOT_DNA = "expected A, C, G, T, N or an IUPAC code"
DAMAGED = "t.tsv: the gzip file is damaged or cut short … copy or download it again"


def extra(name, *values):
    """A table of two rows with one more column."""
    rows = zip(("ACGT", "GGCC"), values, strict=True)
    return f"sequence\texpression\t{name}\n" + "".join(f"{sequence}\t1\t{value}\n" for sequence, value in rows)


TABLES = {
    # nothing to read
    "empty": ("", "t.tsv: the file is empty; expected a header and one row per sequence"),
    "blank-lines": ("\n\n  \n", "t.tsv: the file is empty; expected a header"),
    "mark-only": ("\ufeff", "t.tsv: the file is empty; expected a header"),
    "gzip-of-nothing": (gzip.compress(b""), "t.tsv: the file is empty; expected a header"),
    "header-only": ("sequence\texpression\n", "t.tsv: no rows, only a header; expected one row per sequence"),
    # columns
    "no-sequence": (
        "dna\texpression\nACGT\t1\n",
        "t.tsv: no column 'sequence' (found: dna, expression) … give it with --sequence-column",
    ),
    "sequence-misspelt": (
        PLAIN.replace("sequence", "sequnce"),
        "t.tsv: no column 'sequence' … did you mean 'sequnce'? name it with --sequence-column",
    ),
    "expression-misspelt": (
        PLAIN.replace("expression", "expresion"),
        "t.tsv: no column 'expression' … did you mean 'expresion'? name it with --expression-column",
    ),
    "sequences-only": ("ACGTACGT\nGGGGCCCC\n", "t.tsv: no column 'expression' (found: sequence)"),
    "twice": (
        "sequence\texpression\tsequence\nA\t1\tC\n",
        "t.tsv: line 1: column 'sequence' stands twice; keep one of them",
    ),
    "twice-by-case": ("sequence\tid\texpression\tID \nA\ta\t1\tb\n", "t.tsv: line 1: column 'id' stands twice; keep"),
    "headless-of-three": (
        "ACGTACGT\t1\t7\nGGGGCCCC\t2\t8\n",
        "t.tsv: line 1: starts with a sequence and has 3 fields, expected a header; write one",
    ),
    # rows
    "too-many-fields": (
        PLAIN.replace("\t2\n", "\t2\t7\n"),
        "t.tsv: line 3: 3 fields, expected the 2 of the first line; mend the line",
    ),
    "too-few-fields": (
        "sequence\texpression\tid\nACGT\t1\ta\nACGG\t2\n",
        "t.tsv: line 3: 2 fields, expected the 3 of the first line; complete the line, or is the file cut short?",
    ),
    "cut-in-a-line": (PLAIN + "ACG", "t.tsv: line 5: 1 fields, expected the 2 … is the file cut short?"),
    "gzip-cut-in-a-line": (gzip.compress((PLAIN + "ACG").encode()), "t.tsv: line 5: 1 fields, expected the 2"),
    "blank-line-inside": (PLAIN.replace("GGGG", "\nGGGG"), f"{COLUMN} 'sequence' is empty … remove the row"),
    "after-blank-lines": (
        "\n\n\n" + PLAIN.replace("\t2", "\tx"),
        "t.tsv: line 6: column 'expression' is 'x', expected a finite number",
    ),
    "quoted-line-end": (
        'sequence\texpression\tnote\nACGT\t1\t"a\nb"\nACGT\tx\tc\n',
        "t.tsv: row 2: column 'expression' is 'x'",
    ),
    "unclosed-quote": (
        COMMA.replace("GGGG", '"GGGG'),
        "t.tsv: line 4: … is a closing quote missing? expected one row a line",
    ),
    "unclosed-quote-in-header": ('"' + PLAIN, "t.tsv: line 1: … is a closing quote missing?"),
    "letters-after-a-quote": (PLAIN.replace("GGGG", '"GGGG"'), "t.tsv: line 3: … is a closing quote missing?"),
    # separators
    "semicolons": (
        PLAIN.replace("\t", ";"),
        "t.tsv: line 1: columns separated by ';', expected tabs or commas; export it as TSV or CSV",
    ),
    "blanks": (
        PLAIN.replace("\t", " "),
        "t.tsv: line 1: columns separated by blanks, expected tabs or commas; export it as TSV",
    ),
    "pipes": (PLAIN.replace("\t", "|"), "t.tsv: line 1: columns separated by '|', expected tabs or commas; export it"),
    "comment": ("# made by hand\n" + PLAIN, "t.tsv: line 1: a comment, expected names of columns; remove lines"),
    # numbers
    "decimal-comma": (
        PLAIN.replace("\t2", "\t2,5"),
        f"{COLUMN} 'expression' is '2,5', expected a finite number; write the decimal point as '.', not ','",
    ),
    "decimal-comma-in-csv": (
        COMMA.replace(",2\n", ",2,5\n"),
        "t.tsv: line 3: 3 fields, expected the 2 of the first line; a decimal comma? write 1.5, not 1,5",
    ),
    "decimal-comma-headless": ("ACGTACGT,1,5\nGGGGCCCC,2,5\n", "t.tsv: line 1: … 3 fields … numbers as 1.5, not 1,5"),
    "thousands": (PLAIN.replace("\t2", "\t1,234.5"), f"{COLUMN} 'expression' is '1,234.5' … nothing between thousands"),
    "thousands-blank": (PLAIN.replace("\t2", "\t1 234"), f"{COLUMN} 'expression' is '1 234' … between thousands"),
    "word": (
        PLAIN.replace("\t2", "\thigh"),
        f"{COLUMN} 'expression' is 'high', expected a finite number; correct it or leave the row out",
    ),
    "na": (PLAIN.replace("\t2", "\tNA"), f"{COLUMN} 'expression' is 'NA', expected a finite number … leave the row"),
    "nan": (PLAIN.replace("\t2", "\tNaN"), f"{COLUMN} 'expression' is 'NaN', expected a finite number"),
    "inf": (PLAIN.replace("\t2", "\t-inf"), f"{COLUMN} 'expression' is '-inf', expected a finite number"),
    "beyond-a-double": (PLAIN.replace("\t2", "\t1e999"), f"{COLUMN} 'expression' is '1e999', expected a finite"),
    "no-value": (PLAIN.replace("\t2", "\t "), f"{COLUMN} 'expression' is empty, expected a finite number; correct"),
    "negative-weight": (extra("weight", 0, -1), f"{COLUMN} 'weight' is -1, expected 0 or more; correct it"),
    "no-weight": (
        extra("weight", 0, 0),
        "t.tsv: column 'weight' is 0 in every row, expected a positive one; correct or remove it",
    ),
    "empty-weight": (extra("weight", 1, ""), f"{COLUMN} 'weight' is empty, expected a finite number; correct it or"),
    "zero-reads": (extra("reads", 1, 0), f"{COLUMN} 'reads' is 0, expected more than 0; correct it"),
    "negative-sd": (extra("sd", 1, -0.1), f"{COLUMN} 'sd' is -0.1, expected more than 0; correct it"),
    "sd-in-words": (extra("sd", 1, "low"), f"{COLUMN} 'sd' is 'low', expected a finite number; correct it or leave"),
    "replicate-in-words": (extra("rep1", 1, "low"), f"{COLUMN} 'rep1' is 'low', expected a finite number; leave it"),
    # sequences
    "no-letters": (PLAIN.replace("GGGGCCCC", " "), f"{COLUMN} 'sequence' is empty, expected … remove the row"),
    "rna": (PLAIN.replace("GGGG", "GgUG"), f"{COLUMN} 'sequence' has 'U' at position 3, {NOT_DNA}; RNA? write T for U"),
    "gap": (PLAIN.replace("GGGG", "GG-G"), f"{COLUMN} 'sequence' has '-' at position 3, {NOT_DNA}; remove the gaps"),
    "stop": (PLAIN.replace("GGGG", "GG*G"), f"{COLUMN} 'sequence' has '*' at position 3, {NOT_DNA}; protein?"),
    "blank-inside": (
        PLAIN.replace("GGGG", "GG G"),
        f"{COLUMN} 'sequence' has ' ' at position 3, {NOT_DNA}; remove the blank",
    ),
    "digit": (PLAIN.replace("GGGG", "4GGG"), f"{COLUMN} 'sequence' has '4' at position 1, {NOT_DNA}; correct it or"),
    "umlaut": (PLAIN.replace("GGGG", "GGä"), f"{COLUMN} 'sequence' has 'Ä' at position 3, {NOT_DNA}"),
    "n-only": (PLAIN.replace("GGGGCCCC", "NnNN"), f"{COLUMN} 'sequence' has no letter but N, expected … remove"),
    "codes-only": (PLAIN.replace("GGGGCCCC", "RYSW"), f"{COLUMN} 'sequence' has no letter but N, expected"),
    # other kinds of file
    "utf-16-le": (("\ufeff" + PLAIN).encode("utf-16-le"), "t.tsv: UTF-16 text; save it as UTF-8"),
    "utf-16-be": (("\ufeff" + PLAIN).encode("utf-16-be"), "t.tsv: UTF-16 text; save it as UTF-8"),
    "utf-16-unmarked": (PLAIN.encode("utf-16-le"), "t.tsv: line 1: binary data; expected a text table"),
    "latin-1": (
        extra("note", "x", "caf\xe9").encode("latin-1"),
        "t.tsv: line 3: not UTF-8 text (byte 0xe9); save the file as UTF-8",
    ),
    "latin-1-header": (
        extra("caf\xe9", 1, 1).encode("latin-1"),
        "t.tsv: line 1: not UTF-8 text (byte 0xe9); save the file as UTF-8",
    ),
    "png": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "t.tsv: line 3: binary data; expected a text table, Parquet or FASTA: is it this file?",
    ),
    "elf": (b"\x7fELF\2\1\1" + bytes(100), "t.tsv: line 1: binary data; expected a text table, Parquet or FASTA"),
    "nul-inside": (PLAIN.replace("GGGG", "GG\0G"), "t.tsv: line 3: binary data; expected a text table"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\n", "t.tsv: a PDF; save the table as CSV or TSV"),
    "xlsx": (b"PK\3\4" + bytes(50), "t.tsv: a spreadsheet or zip file; save the sheet as CSV or TSV"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50), "t.tsv: an old Excel file; save the sheet as CSV or TSV"),
    "bzip2": (bz2.compress(PLAIN.encode()), "t.tsv: bzip2-compressed; unpack it, or use gzip"),
    "xz": (lzma.compress(PLAIN.encode()), "t.tsv: xz-compressed; unpack it, or use gzip"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(20), "t.tsv: zstd-compressed; unpack it, or use gzip"),
    "json": ('[{"sequence": "ACGT", "expression": 1}]', "t.tsv: line 1: starts like JSON; expected a table"),
    "html": ("<!DOCTYPE html>\n<html>404</html>\n", "t.tsv: line 1: starts like HTML or XML; expected a table"),
    "fastq": ("@read1\nACGT\n+\nIIII\n", "t.tsv: line 1: starts like FASTQ or SAM; expected a table, Parquet or FASTA"),
    # compressed
    "gzip-cut": (ZIPPED[:-20], DAMAGED),
    "gzip-cut-in-its-header": (ZIPPED[:5], DAMAGED),
    "gzip-bad-sum": (ZIPPED[:-8] + bytes(4) + ZIPPED[-4:], DAMAGED),
    "gzip-bad-block": (ZIPPED[:40] + b"\xff\xff\xff" + ZIPPED[43:], DAMAGED),
    "gzip-with-rubbish-after": (ZIPPED + b"rubbish", DAMAGED),
    "gzip-of-gzip": (gzip.compress(ZIPPED), "t.tsv: compressed twice; unpack it once"),
    "gzip-of-xlsx": (gzip.compress(b"PK\3\4" + bytes(50)), "t.tsv: a spreadsheet or zip file; save the sheet"),
    "gzip-of-parquet": (gzip.compress(b"PAR1" + bytes(50)), "t.tsv: a Parquet file inside gzip; unpack it"),
    "gzip-of-noise": (gzip.compress(b"ACGT\n\1\0\2\n"), "t.tsv: line 2: binary data; expected a text table"),
}


@pytest.mark.parametrize(("content", "pieces"), TABLES.values(), ids=TABLES)
def test_a_table_is_refused(tmp_path, content, pieces):
    path = write(tmp_path, content)
    with refused(tmp_path, pieces):
        leanseq.read_table(path)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with refused(tmp_path, "none.tsv: cannot read the file: No such file or directory; check its path"):
        leanseq.read_table(tmp_path / "none.tsv")
    with refused(tmp_path, f"{tmp_path}: is a folder, expected a table; name the file in it"):
        leanseq.read_table(tmp_path)
    path = write(tmp_path, PLAIN)
    with refused(tmp_path, "t.tsv/x: cannot read the file: Not a directory; check its path"):
        leanseq.read_table(path / "x")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="has no file that even root cannot read")
def test_an_unreadable_file_is_refused():
    with pytest.raises(InputError, match="/proc/self/mem: cannot read the file: Input/output error; check its path"):
        leanseq.read_table("/proc/self/mem")


def test_one_column_cannot_be_both(tmp_path):
    path = write(tmp_path, PLAIN)
    with refused(tmp_path, "t.tsv: column 'sequence' cannot be both sequence and expression; give two columns with --"):
        leanseq.read_table(path, expression="sequence")
    with refused(tmp_path, "t.tsv: line 2: column 'sequence' has '1' at position 1"):
        leanseq.read_table(path, sequence="expression", expression="sequence")


class _Counting(io.FileIO):
    """A file that adds up what is read of it."""

    total = 0

    def readinto(self, buffer, /):
        count = super().readinto(buffer)
        _Counting.total += count or 0
        return count


@pytest.fixture
def count_read(monkeypatch):
    monkeypatch.setattr(_Counting, "total", 0)
    monkeypatch.setattr(reading, "open", lambda path, mode: io.BufferedReader(_Counting(path)), raising=False)
    return lambda: _Counting.total


def test_a_sparse_file_of_2_gib_is_refused_early(tmp_path, count_read):
    path = write(tmp_path, "sequence\texpression\n")
    with open(path, "r+b") as file:
        file.truncate(2 << 30)
    with refused(tmp_path, "t.tsv: line 2: binary data; expected a text table"):
        leanseq.read_table(path)
    assert 0 < count_read() < 4 * reading.PIECE


@pytest.mark.parametrize("more", [1, 1 << 20, 2 << 20])
def test_a_line_above_a_mebibyte_is_refused_early(tmp_path, count_read, more):
    line = b"A" * (reading.PIECE + more) + b"\t1\n"
    path = write(tmp_path, b"sequence\texpression\n" + line + b"ACGT\t1\n" * 2**20)
    with refused(tmp_path, "t.tsv: line 2: over 1,048,576 letters long; expected one short sequence a line"):
        leanseq.read_table(path)
    assert 0 < count_read() <= 3 * reading.PIECE


def test_a_gzip_bomb_is_refused_early(tmp_path, count_read):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(b"sequence\texpression\n") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"A" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    path = write(tmp_path, gzip.compress(b"")[:10] + head + block * 3000)
    with refused(tmp_path, "t.tsv: line 2: over 1,048,576 letters long; expected one short sequence a line"):
        leanseq.read_table(path)
    assert 0 < count_read() < path.stat().st_size / 5


PARQUETS = {
    "numbers-for-sequences": ({"sequence": [1, 2], "expression": [1.0, 2.0]}, "row 1: column 'sequence' holds Int64"),
    "bytes-for-sequences": ({"sequence": [b"A", b"C"], "expression": [1.0, 2.0]}, "column 'sequence' holds Binary"),
    "lists-for-sequences": ({"sequence": [["A"], ["C"]], "expression": [1.0, 2.0]}, "column 'sequence' holds List"),
    "no-number": ({"sequence": ["A", "C"], "expression": ["1", "x"]}, "row 2: column 'expression' is 'x', expected a"),
    "truths": ({"sequence": ["A"], "expression": [True]}, "column 'expression' holds Boolean, expected numbers"),
    "lists": ({"sequence": ["A"], "expression": [[1.0]]}, "column 'expression' holds List(Float64), expected numbers"),
    "structs": ({"sequence": ["A"], "expression": [{"a": 1.0}]}, "column 'expression' holds Struct … convert it"),
    "missing-value": ({"sequence": ["A", "C"], "expression": [1, None]}, "row 2: column 'expression' is empty"),
    "nan": ({"sequence": ["A", "C"], "expression": [1.0, float("nan")]}, "row 2: column 'expression' is nan, expected"),
    "missing-sequence": ({"sequence": ["A", None], "expression": [1, 2]}, "row 2: column 'sequence' is empty"),
    "twice-but-for-blanks": ({"sequence": ["A"], "expression": [1], "Expression ": [2]}, "'expression' stands twice"),
    "no-rows": ({"sequence": [], "expression": []}, "no rows, only a header"),
    "no-columns": ({}, "no column 'sequence' (found: none)"),
}


@pytest.mark.parametrize(("columns", "pieces"), PARQUETS.values(), ids=PARQUETS)
def test_a_parquet_file_is_refused(tmp_path, columns, pieces):
    pl.DataFrame(columns).write_parquet(tmp_path / "t.parquet")
    with refused(tmp_path, f"t.parquet: … {pieces}"):
        leanseq.read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("kept", [4, 100, -10])
def test_a_cut_parquet_file_is_refused(tmp_path, kept):
    whole = io.BytesIO()
    simulated(20).write_parquet(whole)
    path = write(tmp_path, whole.getvalue()[:kept], "t.parquet")
    with refused(tmp_path, "t.parquet: not a readable Parquet file ( … ); write it again"):
        leanseq.read_table(path)


FASTAS = {
    "no-name": (">a\nACGT\n>\nACGT\n", "t.fa: record 2: no name after '>'; expected '>name' then the sequence"),
    "only-a-sign": (">", "t.fa: record 1: no name after '>'"),
    "text-before": ("ACGT\n>a\nACGT\n", "t.fa: line 1: text before the first '>'; expected FASTA to start with"),
    "empty-record": (">a\nACGT\n>b\n>c\nA\n", "t.fa: record 2: column 'sequence' is empty, expected … remove"),
    "wrong-letter": (">a\nACGT\n>b\nAC\nG7\n", f"t.fa: record 2: column 'sequence' has '7' at position 4, {NOT_DNA}"),
    "protein": (">a\nMSTNPKPQRK\n", f"t.fa: record 1: column 'sequence' has 'P' at position 5, {NOT_DNA}; protein?"),
    "alignment": (">a\nAC--GT\n", "t.fa: record 1: … '-' at position 3 … remove the gaps of an alignment"),
    "latin-1": (">caf\xe9\nACGT\n".encode("latin-1"), "t.fa: line 1: not UTF-8 text (byte 0xe9); save the file"),
}


@pytest.mark.parametrize(("content", "pieces"), FASTAS.values(), ids=FASTAS)
def test_a_fasta_file_is_refused(tmp_path, content, pieces):
    path = write(tmp_path, content, "t.fa")
    with refused(tmp_path, pieces):
        leanseq.read_table(path, expression=None)


def test_fasta_has_nothing_to_train_on(tmp_path):
    path = write(tmp_path, ">a\nACGT\n", "t.fa")
    with refused(tmp_path, "t.fa: no column 'expression': FASTA holds sequences only; expected a table, TSV, CSV or"):
        leanseq.read_table(path)


# --- odd, but accepted ------------------------------------------------------------------------------------------------


def test_empty_columns_that_a_spreadsheet_leaves_are_dropped(tmp_path):
    table = leanseq.read_table(write(tmp_path, "sequence,expression,,\nACGT,1,,\nACGT,2,,\n,,,\n"))
    assert table.frame.columns == ["sequence", "expression"]
    assert len(table) == 2


def test_a_nameless_column_of_row_numbers_is_kept(tmp_path):
    table = leanseq.read_table(write(tmp_path, ",sequence,expression\n0,ACGT,1\n1,GGGG,2\n"))
    assert table.frame.columns == ["", "sequence", "expression"]


def test_quoted_separators_and_line_ends_are_text(tmp_path):
    table = leanseq.read_table(write(tmp_path, 'sequence,expression,note\nACGT,1,"a,\nb"\nAC,2,c\n'))
    assert table.frame["note"].to_list() == ["a,\nb", "c"]
    assert table.where(1).endswith("row 2")


def test_swapped_names_and_a_second_choice_of_column_are_followed(tmp_path):
    swapped = write(tmp_path, "expression\tsequence\nACGT\t1\nGGGG\t2\n")
    assert leanseq.read_table(swapped, sequence="expression", expression="sequence").expression.tolist() == [1, 2]
    second = write(tmp_path, "sequence\texpression\tlog2\nACGT\t1\t5\n")
    assert leanseq.read_table(second, expression="log2").expression.tolist() == [5]


def test_categories_of_parquet_are_text(tmp_path):
    frame = pl.DataFrame({"sequence": ["ACGT", "GG"], "expression": [1, 2]})
    frame.with_columns(pl.col("sequence").cast(pl.Categorical)).write_parquet(tmp_path / "t.parquet")
    assert leanseq.read_table(tmp_path / "t.parquet").sequences.to_list() == ["ACGT", "GG"]


def test_a_line_just_under_a_mebibyte_is_still_a_line(tmp_path):
    long = b"A" * (reading.PIECE - 2)
    table = leanseq.read_table(write(tmp_path, b"sequence\texpression\nACGT\t1\n" + long + b"\t1\nAC\t3\n"))
    assert table.sequences.str.len_bytes().to_list() == [4, len(long), 2]
