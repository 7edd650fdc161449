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


def cases(table):
    """Parameters of a table of cases, with ids."""
    return [pytest.param(*case, id=name) for name, case in table.items()]


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


# --- tables and settings that do not go together ----------------------------------------------------------------------


def alike(n):
    return simulated(n).with_columns(expression=pl.lit(1.0))


def split(frame, **parts):
    """Add a column `split` of so many rows of each part."""
    return frame.with_columns(split=pl.Series([name for name, count in parts.items() for _ in range(count)]))


SPLIT = split(simulated(), train=90, valid=30)
UNTRAINABLE = {
    "1-row": (simulated(1), {}, "t.tsv: 1 rows, expected at least 30 to train and validate on"),
    "24-rows": (simulated(24), {}, "t.tsv: 24 rows, expected at least 30 to train and validate on"),
    "too-few-to-validate": (
        simulated(60),
        {"valid": "6"},
        "t.tsv: 6 rows for valid, expected at least 10; change",
    ),
    "equal-values": (alike(60), {}, "t.tsv: column 'expression' is 1 in every row, expected values that differ"),
    "equal-training-values": (
        pl.concat([split(alike(60), train=60), split(simulated(30), valid=30)]),
        {},
        "t.tsv: column 'expression' is 1 in every row for train",
    ),
    "no-training-weight": (
        SPLIT.with_columns(weight=(pl.col("split") == "valid").cast(pl.Int8)),
        {},
        "t.tsv: column 'weight' is 0 in every training row, expected a positive weight",
    ),
    "one-sequence": (
        pl.concat([simulated(1)] * 60).with_columns(expression=pl.int_range(60) * 1.0),
        {},
        "no row is left for valid: the 60 rows form 1 groups",
    ),
    "two-libraries": (
        pl.concat([simulated(60), simulated(60, 1, *OTHER)]),
        {},
        "column 'sequence': mixed adapters, yeast-ptpa on 50.0%, yeast-abf1tata on 50.0% of the rows; expected over "
        "95% … split the table by library … --construct none",
    ),
    "cut-adapters": (
        pl.concat([simulated(60), simulated(30, 1, "", "")]),
        {},
        "column 'sequence': mixed adapters, yeast-ptpa on 66.7% of the rows; expected … --construct none",
    ),
    "other-construct": (
        simulated(),
        {"construct": "yeast-abf1tata"},
        "t.tsv: column 'sequence': only 0.0% of the rows carry the adapters of yeast-abf1tata, expected over 95%; "
        "choose another --construct",
    ),
    "unknown-construct": (
        simulated(),
        {"construct": "yeast"},
        "--construct is 'yeast', expected auto, none, yeast-ptpa, yeast-abf1tata, human-lentimpra, or a .toml",
    ),
    "window-too-short": (
        simulated(),
        {"length": 40},
        "t.tsv: line 2: column 'sequence' is 60 bp long, expected at most the window of 40 bp; set --length 60 or more",
    ),
    "window-too-long": (simulated(), {"length": 10**12}, "length is 1,000,000,000,000 bp, expected at most 100,000"),
    "wrong-left-flank": (simulated(), {"left_flank": "ACXG"}, "left_flank has the letter 'X', expected A, C, G, T or"),
    "wrong-right-flank": (simulated(), {"right_flank": "AC GT"}, "right_flank has the letter ' ', expected A, C, G"),
    "split-without-valid": (
        split(simulated(), train=120),
        {},
        "column 'split': found 'train', expected some validation rows; write 'valid' there",
    ),
    "split-without-train": (
        split(simulated(), valid=120),
        {},
        "column 'split': found 'valid', expected some train rows; write 'train' there",
    ),
    "split-without-either": (split(simulated(), a=60, b=60), {}, "column 'split': found 'a', 'b', expected some train"),
    "no-split": (simulated(), {"split": "column"}, "t.tsv: no column 'split', expected one for --split column"),
    "no-cluster": (simulated(), {"split": "cluster"}, "t.tsv: no column 'cluster', expected one for --split cluster"),
    "valid-beside-a-split": (
        SPLIT,
        {"valid": "20"},
        "--valid changes nothing here: the column 'split' says which rows these are; use --split random",
    ),
    "test-beside-a-split": (SPLIT, {"test": "20"}, "--test changes nothing here: the column 'split' says which rows"),
    "train-above-a-split": (SPLIT, {"train": "91"}, "91 training rows asked for, the table has 90; ask for 1 to 90"),
    "train-above-the-table": (simulated(), {"train": "1000"}, "1,000 training rows asked for, the table has 108; ask"),
    "train-too-few": (simulated(), {"train": "10"}, "t.tsv: 10 rows for train, expected at least 20; change --train"),
    "valid-and-test-take-all": (simulated(), {"valid": "0.9"}, "108 validation and 12 test rows leave none of 120 to"),
    "rest-of-nothing": (simulated(), {"test": "rest"}, "--test rest needs --train to say how many rows to train on"),
    "bins-upside-down": (
        simulated(),
        {"bin_low": 5.0, "bin_high": 1.0},
        "the lowest centre 5 is not below the highest 1; expected low < high",
    ),
    "bins-of-no-sd": (simulated(), {"bin_sd": 0.0}, "bins: … sd 0; expected 2 bins or more and positive width and sd"),
    "stream-above-the-table": (simulated(), {"stream": 1000}, "--stream is 1,000, expected at most the 96 training"),
    "heads-that-do-not-divide": (
        simulated(),
        {"model": "legnet-optimized+transformer", "set": ["transformer.heads=7"]},
        "option transformer.heads is 7, expected a divisor of the 16 features",
    ),
}


@pytest.mark.parametrize(("frame", "values", "pieces"), UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_a_table_that_cannot_be_trained_on_is_refused(tmp_path, frame, values, pieces):
    path, said = save(frame, tmp_path), []
    with refused(tmp_path, pieces):
        leanseq.train(path, output=tmp_path / "run", say=said.append, **{**QUICK, **values})
    assert not said


CONSTRUCTS = {
    "missing": (None, "c.toml: cannot read the construct file: No such file or directory; check its path"),
    "not-toml": ("length = ", "c.toml: not a TOML file: … expected lines such as length = 150"),
    "binary": (b"\xff\xfe\0", "c.toml: not a TOML file: … expected lines such as"),
    "unknown-key": ("lenght = 150", "c.toml: unknown key 'lenght' in a construct; did you mean 'length'?"),
    "strange-key": ("xyz = 1", "c.toml: unknown key 'xyz' in a construct; known keys: name, left_adapter"),
    "length-in-words": ('length = "long"', "c.toml: construct: length is 'long', expected a whole number"),
    "length-and-a-half": ("length = 1.5", "c.toml: construct: length is 1.5, expected a whole number"),
    "length-true": ("length = true", "c.toml: construct: length is True, expected a whole number"),
    "negative-length": ("length = -5", "c.toml: construct: length is -5, expected a number of bp of 1 or more"),
    "giant-length": ("length = 100001", "c.toml: construct: length is 100,001 bp, expected at most 100,000"),
    "adapter-of-number": ("left_adapter = 5", "c.toml: construct: left_adapter is 5, expected text"),
    "wrong-letters": ('left_adapter = "ACUG"', "c.toml: construct: left_adapter has the letter 'U', expected A, C"),
    "too-short": (
        'length = 3\nleft_adapter = "ACGT"',
        "c.toml: construct: length 3 is shorter than its adapters",
    ),
    "other-organism": ('organism = "mouse"', "c.toml: construct: organism is 'mouse', expected yeast, human, or"),
    "organism-of-number": ("organism = 9606", "c.toml: construct: organism is 9606, expected text"),
    "table": ("[left_adapter]\nx = 1", "c.toml: construct: left_adapter is {'x': 1}, expected text"),
}


@pytest.mark.parametrize(("content", "pieces"), CONSTRUCTS.values(), ids=CONSTRUCTS)
def test_a_construct_is_refused(toy, tmp_path, content, pieces):
    path = tmp_path / "c.toml"
    if content is not None:
        write(tmp_path, content, path.name)
    with refused(tmp_path, pieces):
        leanseq.train(toy, output=tmp_path / "run", construct=path, **QUICK)


SIZE = "expected a number of rows (2048) or a share (0.1)"
SETTINGS = {
    "unknown-name": ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'epochs'?"),
    "unknown-model": (
        {"model": "legnet"},
        "unknown architecture 'legnet'; did you mean 'legnet-lean'? known: … legnet-lean",
    ),
    "model-misspelt": ({"model": "legnet-optimised"}, "unknown architecture … did you mean 'legnet-optimized'?"),
    "unknown-modification": (
        {"model": "legnet-optimized+lstmm"},
        "unknown modification 'lstmm'; did you mean 'lstm'? known: embedding, dilated, transformer, lstm",
    ),
    "modification-twice": (
        {"model": "legnet-optimized+lstm+lstm"},
        "modification 'lstm' stands more than once in … expected once",
    ),
    "unknown-option": ({"set": ["foo=1"]}, "unknown option of 'legnet-optimized': 'foo'; known: dropout"),
    "option-misspelt": ({"set": ["droput=0.1"]}, "unknown option … 'droput'; did you mean 'dropout'? known: dropout"),
    "option-of-nothing": (
        {"set": ["lstm.hidden=4"]},
        "option lstm.hidden belongs to 'lstm', which is not in 'legnet-optimized'; use legnet-optimized+lstm",
    ),
    "option-in-words": ({"set": ["dropout=some"]}, "option dropout is 'some', expected a number from 0 to 0.9"),
    "option-out-of-range": ({"set": ["dropout=2"]}, "option dropout is '2', expected a number from 0 to 0.9"),
    "option-not-whole": (
        {"model": "legnet-optimized+lstm", "set": ["lstm.hidden=1.5"]},
        "option lstm.hidden is '1.5', expected a whole number of 1 or more",
    ),
    "option-of-no-effect": (
        {"model": "legnet-optimized+embedding", "set": ["embedding.k=4"]},
        "option embedding.k has an effect only with embedding.kind=tokens",
    ),
    "option-without-value": ({"set": ["dropout"]}, "--set 'dropout': expected name=value, such as lstm.hidden=64"),
    "option-twice": ({"set": ["dropout=0.1", "dropout=0.2"]}, "--set dropout is given twice"),
    "size": ({"size": "huge"}, "--size is 'huge', expected one of full, small, tiny"),
    "objective": ({"objective": "mae"}, "--objective is 'mae', expected one of kl, mse, mse-bins; did you mean 'mse'?"),
    "optimizer": ({"optimizer": "sgd"}, "--optimizer is 'sgd', expected one of adamw, lion, muon"),
    "schedule": ({"schedule": "cosine"}, "--schedule is 'cosine', expected one of one-cycle, constant"),
    "strands": ({"strands": "one"}, "--strands is 'one', expected one of random, both, forward"),
    "split": ({"split": "half"}, "--split is 'half', expected one of auto, column, cluster, homology, random"),
    "negative-lr": ({"lr": -0.1}, "--lr is -0.1, expected more than 0"),
    "no-lr": ({"lr": 0.0}, "--lr is 0, expected more than 0"),
    "lr-nan": ({"lr": float("nan")}, "--lr is nan, expected more than 0"),
    "weight-decay-nan": ({"weight_decay": float("nan")}, "--weight-decay is nan, expected 0 or more"),
    "no-epochs": ({"epochs": 0}, "--epochs is 0, expected 1 or more"),
    "batch-of-1": ({"batch": 1}, "--batch is 1, expected 2 or more"),
    "negative-shift": ({"shift": -1}, "--shift is -1, expected 0 or more"),
    "shift-out-of-the-window": ({"shift": 150}, "--shift is 150, expected less than the 150 positions of the window"),
    "ema-of-1": ({"ema": 1.0}, "--ema is 1, expected 0 (none) to below 1, such as 0.999"),
    "seed": ({"seed": -1}, "--seed is -1, expected 0 or more"),
    "organism": (
        {"organism": "humn"},
        "--organism is 'humn', expected one of auto, yeast, human, none; did you mean 'human'?",
    ),
    "organism-for-nothing": ({"organism": "human"}, "--organism changes nothing with --baselines quick: … use all"),
    "split-seed": ({"split_seed": -1}, "--split-seed is -1, expected 0 or more"),
    "budget-in-parsecs": ({"budget": "10 parsecs"}, "--budget is '10 parsecs', expected a time such as 90s, 10m or 1h"),
    "no-budget": ({"budget": "0s"}, "--budget is '0s', expected a time such as 90s, 10m or 1h"),
    "threads": ({"threads": -1}, "--threads is -1, expected 0 (all) or more"),
    "device": ({"device": "tpu"}, "--device is 'tpu', expected one of auto, cpu, cuda, mps"),
    "one-bin": ({"bins": 1}, "--bins is 1, expected 2 or more"),
    "bins-for-mse": ({"objective": "mse", "bins": 9}, "--bins and --bin-... change nothing with --objective mse; use"),
    "length": ({"length": -1}, "--length is -1, expected a number of bp, or 0"),
    "train-0": ({"train": "0"}, f"--train is '0', {SIZE}"),
    "train-minus-5": ({"train": "-5"}, f"--train is '-5', {SIZE}"),
    "train-in-words": ({"train": "abc"}, f"--train is 'abc', {SIZE}"),
    "train-and-a-half": ({"train": "1.5"}, f"--train is '1.5', {SIZE}"),
    "train-nan": ({"train": "nan"}, f"--train is 'nan', {SIZE}"),
    "valid-inf": ({"valid": "inf"}, f"--valid is 'inf', {SIZE}"),
    "valid-0": ({"valid": "0"}, f"--valid is '0', {SIZE}"),
    "test-minus-1": ({"test": "-1"}, f"--test is '-1', {SIZE}"),
}


@pytest.mark.parametrize(("values", "pieces"), cases(SETTINGS))
def test_a_setting_is_refused(toy, tmp_path, values, pieces):
    with refused(tmp_path, pieces):
        leanseq.train(toy, output=tmp_path / "run", **{**QUICK, **values})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(toy, run, tmp_path):
    pieces = "--device cuda: torch finds no such device on this machine; use --device cpu"
    with refused(tmp_path, pieces):
        leanseq.train(toy, output=tmp_path / "new", device="cuda", **QUICK)
    with refused(tmp_path, pieces):
        leanseq.load(run, device="cuda")


# --- where a run goes -------------------------------------------------------------------------------------------------


def spoil(path, **values):
    """Change keys of a JSON file; a value of None removes the key."""
    document = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def interrupted(run):
    spoil(run / "run.json", status="interrupted")
    return run


def test_a_folder_that_is_no_run_is_refused(toy, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder, "thesis", "thesis.txt")
    for how in ({}, {"resume": True}, {"overwrite": True}):
        with refused(tmp_path, "mine: not empty and not a run (run.json is missing); choose another --output"):
            leanseq.train(toy, output=folder, **QUICK, **how)
    with refused(tmp_path, "thesis.txt: is a file, expected a folder for the run; choose another --output"):
        leanseq.train(toy, output=folder / "thesis.txt", **QUICK)


@pytest.mark.parametrize("place", ["file/run", "file/deep/run", "/proc/run", "/proc/self/a/b"])
def test_a_place_that_cannot_be_written_to_is_refused(toy, tmp_path, place):
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("has no /proc")
    write(tmp_path, "", "file")
    said = []
    with refused(tmp_path, f"{place}: cannot write a run here ( … ); choose another --output"):
        leanseq.train(toy, output=tmp_path / place, say=said.append, **QUICK)
    assert not said


def test_a_run_that_is_there_is_left_alone(toy, run, tmp_path):
    with refused(tmp_path, "run: holds a run already (finished); --overwrite it, or choose another --output"):
        leanseq.train(toy, output=run, **QUICK)
    interrupted(run)
    with refused(tmp_path, "run: holds a run already (interrupted); go on with --resume, --overwrite it, or choose"):
        leanseq.train(toy, output=run, **QUICK)
    with refused(tmp_path, "--resume and --overwrite exclude each other; give one of them"):
        leanseq.train(toy, output=run, **QUICK, resume=True, overwrite=True)
    with refused(tmp_path, "--epochs is 0"):
        leanseq.train(toy, output=run, overwrite=True, epochs=0)


def test_only_the_same_run_is_resumed(toy, run, tmp_path):
    interrupted(run)
    with refused(tmp_path, "none: no run to resume here; leave --resume out to start it"):
        leanseq.train(toy, output=tmp_path / "none", **QUICK, resume=True)
    hint = "resume it with the same command and table, or choose another --output"
    with refused(tmp_path, f"run: the run to resume has other settings: lr was 0.003, is now 0.1; {hint}"):
        leanseq.train(toy, output=run, **QUICK, lr=0.1, resume=True)
    changed = save(simulated(seed=1), tmp_path, "changed.tsv")
    with refused(tmp_path, f"run: the run to resume was of another table, or its rows have changed; {hint}"):
        leanseq.train(changed, output=run, **QUICK, resume=True)


RECORDS = {
    "cut": ('{"status": "interr', "run.json: damaged ( … ); remove the folder or choose another --output"),
    "empty": ("", "run.json: damaged ( … ); remove the folder"),
    "list": ("[]", "run.json: damaged ( … ); remove the folder"),
    "number": ("7", "run.json: damaged ( … ); remove the folder"),
    "bytes": (b"\xff\xfe", "run.json: damaged ( … ); remove the folder"),
    "keys": ('{"status": "interrupted"}', "run.json: damaged ('epochs' is missing); remove the folder"),
}


@pytest.mark.parametrize(("content", "pieces"), RECORDS.values(), ids=RECORDS)
def test_a_damaged_record_is_refused(toy, run, tmp_path, content, pieces):
    write(run, content, "run.json")
    for how in ({}, {"resume": True}, {"overwrite": True}):
        with refused(tmp_path, pieces):
            leanseq.train(toy, output=run, **QUICK, **how)


CHECKPOINTS = {
    "cut": ('{"step": 3', None),
    "no-tensors-named": ("{}", None),
    "tensors-missing": ('{"tensors": "checkpoint-3.safetensors"}', None),
    "tensors-cut": ('{"tensors": "checkpoint-3.safetensors"}', b"\x40\0\0\0\0\0\0\0{"),
    "list": ("[]", None),
    "tensors-of-nothing": ('{"tensors": "checkpoint-3.safetensors"}', b"\2\0\0\0\0\0\0\0{}"),
}


@pytest.mark.parametrize(("progress", "tensors"), cases(CHECKPOINTS))
def test_a_damaged_checkpoint_is_refused(toy, run, progress, tensors):
    write(interrupted(run), progress, "checkpoint.json")
    if tensors is not None:
        write(run, tensors, "checkpoint-3.safetensors")
    before = {path: stat for path, stat in listing(run).items() if path.name != "run.json"}
    with pytest.raises(InputError) as caught:
        leanseq.train(toy, output=run, **QUICK, resume=True)
    says(str(caught.value), "checkpoint.json: the checkpoint is damaged ( … ); start again with --overwrite")
    assert {path: stat for path, stat in listing(run).items() if path.name != "run.json"} == before


# --- models -----------------------------------------------------------------------------------------------------------

AGAIN = "copy the model folder again"


def test_a_folder_without_a_model_is_refused(run, tmp_path):
    with refused(tmp_path, "none: no such folder; expected a run or model folder with config.json and model.safe"):
        leanseq.load(tmp_path / "none")
    with refused(tmp_path, "config.json: no such folder; expected a run or model folder"):
        leanseq.load(run / "config.json")
    (run / "config.json").unlink()
    with refused(
        tmp_path, "run: no config.json in this folder; its training is not finished; expected a trained model"
    ):
        leanseq.load(run)
    (tmp_path / "empty").mkdir()
    with refused(tmp_path, "empty: no config.json in this folder; expected a trained model"):
        leanseq.load(tmp_path / "empty")


CONFIGS = {
    "cut": (lambda text: text[:50], f"config.json: not readable as JSON ( … ); {AGAIN}"),
    "deep": (lambda text: "[" * 10**6, f"config.json: not readable as JSON ( … ); {AGAIN}"),
    "bytes": (lambda text: b"\xff\xfe", f"config.json: not readable as JSON ( … ); {AGAIN}"),
    "list": (lambda text: "[]", "config.json: format None, expected 1; use the leanseq version that wrote it"),
    "format": (lambda text: text.replace('"format": 1', '"format": 2'), "config.json: format 2, expected 1; use the"),
    "size": (lambda text: text.replace('"tiny"', '"small"'), f"the weights are not those of the network … {AGAIN}"),
    "unknown-size": (lambda text: text.replace('"tiny"', '"giant"'), f"config.json: … unknown size 'giant' … {AGAIN}"),
    "architecture": (
        lambda text: text.replace("legnet-optimized", "legnet-dream2022"),
        f"the weights are not those of the network in config.json (first difference: … ); {AGAIN}",
    ),
    "unknown-architecture": (
        lambda text: text.replace("legnet-optimized", "alexnet"),
        f"config.json: not a leanseq model: unknown architecture 'alexnet'; known: … {AGAIN}",
    ),
    "length": (
        lambda text: text.replace('"length": 150', '"length": 151', 1),
        f"config.json: not a leanseq model: network has length 151, but construct … need 150; {AGAIN}",
    ),
    "outputs": (
        lambda text: text.replace('"outputs": 18', '"outputs": 17', 1),
        f"config.json: not a leanseq model: network has outputs 17, but … objective need 18; {AGAIN}",
    ),
    "adapter": (lambda text: text.replace(LEFT, "ACX"), f"left_adapter has the letter 'X', expected … {AGAIN}"),
    "strands": (lambda text: text.replace('"both_strands": true', '"both_strands": "no"'), f"config.json: … {AGAIN}"),
    "mean": (lambda text: re.sub(r'"mean": [^,]+', '"mean": NaN', text), f"config.json: … must be finite; {AGAIN}"),
    "kind": (lambda text: text.replace('"kind": "kl"', '"kind": "lk"'), f"objective 'lk' is unknown … {AGAIN}"),
}


@pytest.mark.parametrize(("change", "pieces"), CONFIGS.values(), ids=CONFIGS)
def test_a_damaged_config_is_refused(run, tmp_path, change, pieces):
    before = (run / "config.json").read_text()
    after = change(before)
    assert after != before
    write(run, after, "config.json")
    with refused(tmp_path, pieces):
        leanseq.load(run)


@pytest.mark.parametrize("key", ["network", "construct", "objective", "channels", "both_strands", "sha256"])
def test_a_config_without_one_of_its_keys_is_refused(run, tmp_path, key):
    spoil(run / "config.json", **{key: None})
    with refused(tmp_path, f"config.json: the key '{key}' is missing; {AGAIN}"):
        leanseq.load(run)
    spoil(run / "config.json", **{key: 7})
    with refused(tmp_path, AGAIN):
        leanseq.load(run)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def pickled(data):
    file = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, file)
    return file.getvalue()


WEIGHTS = {
    "one-bit": (flipped, f"model.safetensors: changed since it was saved (SHA-256 differs); {AGAIN}"),
    "cut": (lambda data: data[:-100], f"model.safetensors: not a safetensors file ( … {AGAIN}"),
    "cut-in-header": (lambda data: data[:5], f"model.safetensors: not a safetensors file ( … {AGAIN}"),
    "empty": (lambda data: b"", f"model.safetensors: not a safetensors file ( … {AGAIN}"),
    "giant-header": (
        lambda data: struct.pack("<Q", 1 << 60) + data[8:],
        f"model.safetensors: not a safetensors file ( … {AGAIN}",
    ),
    "pickle": (pickled, f"model.safetensors: not a safetensors file ( … ), and no other format is loaded; {AGAIN}"),
    "html": (lambda data: b"<!DOCTYPE html><html></html>", "model.safetensors: not a safetensors file"),
    "no-tensors": (lambda data: b"\2\0\0\0\0\0\0\0{}", f"model.safetensors: the weights are not those of … {AGAIN}"),
}


@pytest.mark.parametrize(("change", "pieces"), WEIGHTS.values(), ids=WEIGHTS)
def test_damaged_weights_are_refused(run, tmp_path, change, pieces):
    path = run / "model.safetensors"
    path.write_bytes(change(path.read_bytes()))
    with refused(tmp_path, pieces):
        leanseq.load(run)


def test_weights_that_are_missing_or_of_another_model_are_refused(run, tmp_path):
    path = run / "model.safetensors"
    model = leanseq.load(run)
    with torch.no_grad():
        next(model.network.parameters()).add_(1)
    from leanseq.apply.bundle import save as save_model

    save_model(model, tmp_path / "other", "")
    shutil.copy(tmp_path / "other" / path.name, path)
    with refused(tmp_path, f"model.safetensors: changed since it was saved (SHA-256 differs); {AGAIN}"):
        leanseq.load(run)
    path.unlink()
    with refused(tmp_path, f"model.safetensors: cannot read the file: No such file or directory; {AGAIN}"):
        leanseq.load(run)


# --- predictions ------------------------------------------------------------------------------------------------------

GOOD = LEFT + "ACGT" * 7 + RIGHT
UNFIT = {
    "no-left-adapter": (GOOD[1:], "does not start with the left adapter TGCATTTTTTTCACATC of yeast-ptpa"),
    "no-right-adapter": (GOOD[:-1], "does not end with the right adapter GGTTACGGCTGTT of yeast-ptpa"),
    "too-long": (LEFT + "A" * 200 + RIGHT, "is 230 bp long, expected at most the model's window of 150 bp"),
    "too-short": (LEFT[:9], "is 9 bp long, expected both adapters of yeast-ptpa"),
}


@pytest.fixture(scope="module")
def model(trained):
    return leanseq.load(trained)


@pytest.mark.parametrize(("sequence", "reason"), UNFIT.values(), ids=UNFIT)
def test_a_sequence_that_does_not_fit_is_refused_or_skipped(model, tmp_path, sequence, reason):
    with refused(tmp_path, f"sequences: row 2: column 'sequence' {reason} … give sequences as in … --misfits skip"):
        model.predict([GOOD, sequence])
    assert np.isnan(model.predict([GOOD, sequence, GOOD], misfits="skip")).tolist() == [False, True, False]
    assert np.isnan(model.predict([sequence], misfits="skip")).all()


def test_what_is_no_list_of_dna_is_refused(model, tmp_path):
    with refused(tmp_path, "predict: one string given, expected a list of sequences; write [sequence]"):
        model.predict(GOOD)
    with refused(tmp_path, "--misfits is 'drop', expected refuse or skip"):
        model.predict([GOOD], misfits="drop")
    with refused(tmp_path, f"sequences: row 2: column 'sequence' has 'U' at position 1, {NOT_DNA}; RNA? write T for U"):
        model.predict([GOOD, "U" + GOOD])
    with refused(tmp_path, "sequences: row 1: column 'sequence' is empty, expected … remove the row"):
        model.predict([""])
    assert model.predict([]).shape == (0,)
    assert model.predict([GOOD.lower()]) == pytest.approx(model.predict([GOOD]))


# --- the command line -------------------------------------------------------------------------------------------------

COMMANDS = {
    "unknown-command": ("trian … train", "trian"),
    "no-table": ("train … requires an argument", "train"),
    "missing-table": ("none.tsv: cannot read the file: No such file or directory; check its path", "train none.tsv"),
    "bad-cell": (f"{COLUMN} 'expression' is 'x', expected a finite number; correct it", "train t.tsv"),
    "unknown-flag": ("--sise … --size", "train toy.tsv --sise tiny"),
    "epochs-in-words": ("--epochs … x", "train toy.tsv --epochs x"),
    "epochs-and-a-half": ("--epochs … 1.5", "train toy.tsv --epochs 1.5 --size tiny"),
    "option-twice": ("--set dropout is given twice", "train toy.tsv --set dropout=0.1 --set dropout=0.2"),
    "train-minus-5": (f"--train is '-5', {SIZE}", "train toy.tsv --train -5"),
    "construct": ("--construct is 'x', expected auto, none", "train toy.tsv --construct x"),
    "window": ("toy.tsv: line 2: column 'sequence' is 60 bp long … set --length 60", "train toy.tsv --length 50"),
    "output-is-a-file": ("toy.tsv: is a file, expected a folder for the run", "train toy.tsv --output toy.tsv"),
    "output-holds-a-run": ("run: holds a run already (finished); --overwrite it", "train toy.tsv --output run"),
    "output-below-a-file": ("cannot write a run here", "train toy.tsv --output toy.tsv/run --size tiny"),
    "resume-nothing": ("new: no run to resume here; leave --resume out", "train toy.tsv --output new --resume"),
    "column": ("toy.tsv: no column 'x' (found: sequence, expression)", "train toy.tsv --sequence-column x"),
    "no-model": ("none: no such folder; expected a run or model folder", "predict none toy.tsv"),
    "misfit": ("short.tsv: line 2: column 'sequence' does not start with the left", "predict run short.tsv"),
    "misfit-to-file": ("short.tsv: line 2: column 'sequence' does not", "predict run short.tsv --output new.tsv"),
    "misfits-word": ("--misfits", "predict run short.tsv --misfits drop"),
    "output-exists": (
        "toy.tsv: exists already; choose another name or add --overwrite",
        "predict run toy.tsv --output toy.tsv",
    ),
    "output-suffix": ("p.xlsx: unknown kind of output, expected … .tsv", "predict run toy.tsv --output p.xlsx"),
    "output-unwritable": ("p.tsv: cannot write the file", "predict run toy.tsv --output toy.tsv/p.tsv"),
    "predicted-twice": ("done.tsv: has a column 'prediction' already; rename it", "predict run done.tsv"),
    "no-such-subset": ("toy.tsv: no column 'x' (found: sequence", "evaluate run toy.tsv --subsets x"),
    "too-few-to-score": ("two.tsv: 2 rows to score … expected at least 3", "evaluate run two.tsv"),
    "report-of-nothing": ("run.json: the file is missing; give the folder of a finished run", "report none"),
    "models": ("unknown architecture 'x'; known: legnet-dream2022", "models x"),
}


@pytest.mark.parametrize(("pieces", "line"), cases(COMMANDS))
def test_a_command_is_refused(command, toy, run, tmp_path, pieces, line):
    write(tmp_path, PLAIN.replace("\t2", "\tx"))
    shutil.copy(toy, tmp_path / "toy.tsv")
    save(simulated(2), tmp_path, "two.tsv")
    save(simulated(3, left="ACGT"), tmp_path, "short.tsv")
    save(simulated(3).with_columns(prediction=1), tmp_path, "done.tsv")
    command(pieces, *line.split())


def test_the_installed_command_exits_with_2(tmp_path):
    path = write(tmp_path, PLAIN.replace("GGGG", "GG-G"))
    line = [Path(sys.executable).with_name("leanseq"), "train", path, "--output", tmp_path / "run"]
    before = listing(tmp_path)
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    says(
        done.stderr.strip(), f"leanseq: error: … {COLUMN} 'sequence' has '-' at position 3, {NOT_DNA}; remove the gaps"
    )
    assert listing(tmp_path) == before
