"""The table of formats. A new one is a file that defines its `FORMAT`, a line here, and its name in
`FormatName`."""

from __future__ import annotations

from typing import Literal

from acclimate.corpus.sources import (
    arrow_format,
    html_format,
    jsonl_format,
    parquet_format,
    pdf_format,
    table_format,
    text_format,
    warc_format,
)
from acclimate.corpus.sources.format import Format
from acclimate.corpus.sources.names import name_parts

FormatName = Literal["auto", "text", "jsonl", "csv", "tsv", "parquet", "arrow", "html", "warc", "pdf"]
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        text_format.FORMAT,
        jsonl_format.FORMAT,
        table_format.CSV,
        table_format.TSV,
        parquet_format.FORMAT,
        arrow_format.FORMAT,
        html_format.FORMAT,
        warc_format.FORMAT,
        pdf_format.FORMAT,
    )
}
"""By name. Extensions count also with one of a compression behind them; `.json` is taken for JSON lines."""
EXTENSIONS = {extension: format.name for format in FORMATS.values() for extension in format.extensions}


def known_format(name: str) -> str | None:
    """The format by the name's extension, `tar` or `zip` for an archive, None for an unknown one."""
    parts = name_parts(name)
    return parts.archive or EXTENSIONS.get(parts.extension)
