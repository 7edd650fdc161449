"""The public data sets that leanseq knows: where they are, what they hold, and on what terms.

Hashes are given where they are known; a file without one is checked by the length its server tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ..errors import InputError

ZENODO = "https://zenodo.org/records"
GITHUB = "https://raw.githubusercontent.com"
HUB = (
    "https://huggingface.co/datasets/HuggingFaceBio/random-promoter-dream-2022/resolve/"
    "095ecf8da1e69d70c21812af809df7b19c7d8a84/supervised"
)
DREAM = "Rafi et al. (2024) Nature Biotechnology, doi 10.1038/s41587-024-02414-w"
EVOLUTION = "Vaishnav et al. (2022) Nature 603, 455-463, doi 10.1038/s41586-022-04506-6"
GPRA = "de Boer et al. (2020) Nature Biotechnology 38, 56-65, doi 10.1038/s41587-019-0315-8"

Layout = Literal["two columns", "native csv", "parquet"]


@dataclass(frozen=True)
class Remote:
    """One file of a data set.

    Attributes
    ----------
    url
        Where it is.
    size
        Length in bytes; None where unknown.
    sha256
        Its hash, 64 hexadecimal digits; None where unknown.
    split
        What its rows are for (`train`, `val`); empty where the source does not say.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    split: str = ""

    @property
    def name(self) -> str:
        """File name, from the address."""
        return self.url.partition("?")[0].rsplit("/", 1)[-1]


@dataclass(frozen=True)
class DataSet:
    """A public data set.

    Attributes
    ----------
    name
        What it is called here.
    about
        What was measured, one line, with the unit of expression.
    rows
        How many sequences, in words.
    files
        The files to fetch; their rows follow each other in the table.
    layout
        How they are written: tab-separated sequence and expression without a header; CSV with `sequence` and
        `Measured Expression`; Parquet with `sequence` and `activity`.
    licence, citation
        Terms of use; the paper to cite.
    """

    name: str
    about: str
    rows: str
    files: tuple[Remote, ...]
    layout: Layout
    licence: str
    citation: str


_MIT = "MIT (licence of the repository)"
_UNSTATED = "see the terms on the Zenodo record 4436477"

DATA_SETS = (
    DataSet(
        "dream2022",
        "random yeast promoters (pTpA, complex medium), bins 0..17, splits train and val of the challenge",
        "6.7 million",
        (
            Remote(f"{ZENODO}/10633252/files/train.txt?download=1", split="train"),
            Remote(f"{ZENODO}/10633252/files/val.txt?download=1", split="val"),
        ),
        "two columns",
        "CC BY 4.0",
        DREAM,
    ),
    DataSet(
        "dream2022-hub",
        "the same from the Hugging Face hub, with known hashes",
        "6.7 million",
        (
            Remote(
                f"{HUB}/train-00000-of-00002.parquet",
                sha256="00b6cdfe2511f8ed4769c56fb10734e64ad1d9ec6d127ff0af02d7375d6bbea9",
                split="train",
            ),
            Remote(
                f"{HUB}/train-00001-of-00002.parquet",
                sha256="8c5e3fe6697b3ec282193e2a617eaf489e8f9a8a925388c457f4310f2fbecca8",
                split="train",
            ),
            Remote(
                f"{HUB}/validation-00000-of-00001.parquet",
                sha256="a4a7c321d9d392bc55aeedf959973d4136a336da90ff366ec7436af0e41d8505",
                split="val",
            ),
        ),
        "parquet",
        "CC BY 4.0",
        DREAM,
    ),
    DataSet(
        "dream2022-test",
        "the designed test sequences of the challenge, MAUDE score (about -1.4..1.7, not bins)",
        "71,103",
        (Remote(f"{ZENODO}/10633252/files/filtered_test_data_with_MAUDE_expression.txt?download=1"),),
        "two columns",
        "CC BY 4.0",
        DREAM,
    ),
    DataSet(
        "dream2022-demo",
        "a small excerpt of the DREAM training data, bins 0..17",
        "some thousands",
        (
            Remote(
                f"{GITHUB}/de-Boer-Lab/random-promoter-dream-challenge-2022/"
                "abce63b4cc761d28b38f12312acf2b377cf562b8/dream/data/demo_train.txt",
                760_902,
                "277090c096efb1592d1b017fffef6d83d96817ae4430109ddc5ba45b66dd8ede",
            ),
        ),
        "two columns",
        _MIT,
        DREAM,
    ),
    DataSet(
        "gpra-complex",
        "random yeast promoters (pTpA, complex medium: YPD), bins 0..17",
        "about 30 million",
        (Remote(f"{ZENODO}/4436477/files/complex_media_training_data_Glu.txt?download=1"),),
        "two columns",
        _UNSTATED,
        EVOLUTION,
    ),
    DataSet(
        "gpra-defined",
        "random yeast promoters (pTpA, defined medium: SD-Ura), bins 0..17",
        "about 20 million",
        (Remote(f"{ZENODO}/4436477/files/defined_media_training_data_SC_Ura.txt?download=1"),),
        "two columns",
        _UNSTATED,
        EVOLUTION,
    ),
    DataSet(
        "native-complex",
        "native yeast promoters, 80-nt pieces and variants, complex medium, bins 0..17",
        "about 3,900",
        (Remote(f"{ZENODO}/4436477/files/Native_complex.csv?download=1"),),
        "native csv",
        _UNSTATED,
        EVOLUTION,
    ),
    DataSet(
        "native-defined",
        "native yeast promoters, 80-nt pieces and variants, defined medium, bins 0..17",
        "some thousands",
        (Remote(f"{ZENODO}/4436477/files/Native_defined.csv?download=1"),),
        "native csv",
        _UNSTATED,
        EVOLUTION,
    ),
    DataSet(
        "ptpa-hq",
        "random yeast promoters (pTpA, complex medium), many reads each, bins 0..17",
        "some thousands",
        (
            Remote(
                f"{GITHUB}/de-Boer-Lab/CisRegModels/29d3b39de309f6be96f18f4286012f4a55d70617/example/"
                "HighQuality.pTpA.Glu.test.txt.gz",
                383_581,
                "37ab263428486b578682bb693228ff099fc7cbe8a2fe240588b1df571661f641",
            ),
        ),
        "two columns",
        "not stated in the repository; ask its authors before passing the data on",
        GPRA,
    ),
)


def find(name: str) -> DataSet:
    """Look up a data set.

    Raises
    ------
    InputError
        If no set has this name.
    """
    known = {data_set.name: data_set for data_set in DATA_SETS}
    if name in known:
        return known[name]
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known sets: {', '.join(known)}"
    raise InputError(f"data set {name!r} is not known; {hint}")
