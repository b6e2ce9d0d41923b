from __future__ import annotations

import subprocess
import sys
from typing import get_args

from acclimate.corpus.sources.formats import EXTENSIONS, FORMATS, FormatName


def test_the_names_of_recipes_are_those_of_the_table() -> None:
    assert set(get_args(FormatName)) == {"auto", *FORMATS}


def test_an_extension_means_one_format() -> None:
    assert len(EXTENSIONS) == sum(len(format.extensions) for format in FORMATS.values())
    for format in FORMATS.values():
        assert format.heeds <= {"encoding", "header", "quoted"} and format.units


def test_settings_load_no_parser() -> None:
    program = (
        "import sys, acclimate.corpus.sources.files, acclimate.corpus.sources.dataset\n"
        "heavy = {'pyarrow', 'pypdfium2', 'fsspec', 'huggingface_hub', 'charset_normalizer', 'py3langid', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
