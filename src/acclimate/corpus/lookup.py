"""Finding one document of a corpus again, so that a message can name it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq


def name_document(folder: Path, split: str, number: int) -> str:
    """`id (source)` of the document at this place in the split; reads its row group alone.

    Raises IndexError when the split has no such document.
    """
    left = number
    for path in sorted((folder / split).glob("part-*.parquet")):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if left < rows:
                    table = file.read_row_group(group, columns=["id", "source"]).slice(left, 1)
                    return f"{table['id'][0].as_py()} ({table['source'][0].as_py()})"
                left -= rows
    raise IndexError(f"{folder} has no document {number} in its {split} split")
