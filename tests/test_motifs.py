from pathlib import Path

import numpy as np
import pytest

from leanseq.data.motifs import FILES, by_name, motifs_of, read_meme, yeast_motifs
from leanseq.errors import InputError

TOY = """MEME version 4

MOTIF M1.1 ABC
letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0
0.97 0.01 0.01 0.01
0 0 1 0

MOTIF lone
letter-probability matrix: alength= 4 w= 1
 0.25 0.25 0.25 0.25
URL http://example.org
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "toy.meme"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("organism", "count", "names", "widths", "species"),
    [("yeast", 176, 176, (5, 19), "Saccharomyces cerevisiae"), ("human", 857, 808, (4, 33), "Homo sapiens")],
)
def test_collections_are_complete_and_credited(organism, count, names, widths, species):
    motifs = motifs_of(organism)
    assert len(motifs) == len({motif.identifier for motif in motifs}) == count
    assert len({motif.name for motif in motifs}) == names
    assert [motif.name for motif in motifs] == sorted(motif.name for motif in motifs)
    for motif in motifs:
        np.testing.assert_allclose(motif.probabilities.sum(axis=1), 1)
    assert (min(map(len, motifs)), max(map(len, motifs))) == widths
    head = FILES[organism].read_text()[:900]
    for words in ("JASPAR2026", "CC BY 4.0", f"{count} transcription factor motifs of {species}"):
        assert words in head


def test_of_no_organism_no_motifs_are_known():
    assert motifs_of("") == ()
    assert motifs_of("yeast") is yeast_motifs()


@pytest.mark.parametrize(
    ("name", "core"), [("REB1", "TTACCCG"), ("GCN4", "TGACTCA"), ("CBF1", "CACGTG"), ("SPT15", "TATATA")]
)
def test_known_consensus(name, core):
    assert core in by_name([name])[0].consensus


@pytest.mark.parametrize(
    ("name", "core"), [("SP1", "GGGCGG"), ("CTCF", "AGGGGGCGC"), ("HNF4A", "AAAGGTCA"), ("GFI1", "AATC")]
)
def test_known_consensus_of_human(name, core):
    motif = by_name([name], motifs_of("human"))[0]
    assert core in motif.consensus or core in motif.reverse_complement().consensus


def test_reads_names_and_values(tmp_path):
    first, second = read_meme(write(tmp_path, TOY))
    assert (first.identifier, first.name, first.consensus) == ("M1.1", "ABC", "AG")
    assert (second.identifier, second.name) == ("lone", "lone")
    assert second.information == pytest.approx(0)
    assert first.reverse_complement().consensus == "CT"
    assert first.reverse_complement().reverse_complement().probabilities == pytest.approx(first.probabilities)
    assert first.log_odds(0.0001)[1, 2] == pytest.approx(np.log(4), abs=1e-2)
    assert np.isfinite(first.log_odds()).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "no motif found"),
        ("MOTIF A\n", "motif A has no letter-probability matrix"),
        (TOY.replace("0.97", "0.5"), "line 5.*sum to 1"),
        (TOY.replace("0.97", "nan"), "line 5.*sum to 1"),
        (TOY.replace("0 0 1 0", "0 0 1"), "line 6.*four probabilities"),
        (TOY.replace("0 0 1 0", "A C G T"), "line 6.*four probabilities"),
    ],
)
def test_refuses_what_is_not_a_motif(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_meme(write(tmp_path, text))


def test_missing_or_binary_file(tmp_path):
    with pytest.raises(InputError, match="cannot read the motifs"):
        read_meme(tmp_path / "none.meme")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_meme(tmp_path / "binary")


def test_choose_by_name():
    assert [motif.name for motif in by_name(["reb1", "ABF1"])] == ["REB1", "ABF1"]
    with pytest.raises(InputError, match="'NOPE' is not in the collection of 176 motifs"):
        by_name(["NOPE"])
