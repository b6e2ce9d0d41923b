"""The corpus stage alone, with what it needs: the examples of the tasks whose texts are held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.artifacts.durable import scratch_folder
from acclimate.artifacts.store import Artifact, Store
from acclimate.corpus.storage import DOCUMENTS
from acclimate.engine.interrupt import stop_on_signals
from acclimate.errors import UserError
from acclimate.pipeline.events import EventLog
from acclimate.pipeline.plan import corpus_plan
from acclimate.pipeline.runner import Listener, Runner
from acclimate.pipeline.tokens import read_json
from acclimate.recipe.loading import LoadedRecipe


@dataclass(frozen=True)
class BuiltCorpus:
    """A corpus in the store."""

    artifact: Artifact

    @property
    def statistics(self) -> Mapping[str, Any]:
        return read_json(self.artifact.folder / "statistics.json")

    @property
    def documents(self) -> Path:
        """The folder of Parquet files with the kept documents of all splits."""
        return self.artifact.folder / DOCUMENTS


def run_corpus(loaded: LoadedRecipe, *, output: Path, listener: Listener) -> BuiltCorpus:
    """The recipe's corpus, made now or earlier, in the store below the output folder.

    Raises UserError when nothing is left, KeyboardInterrupt after Ctrl-C or SIGTERM.
    """
    recipe = loaded.recipe
    store = Store(output.absolute() / ".store", warn=listener.note)
    stages = corpus_plan(recipe, store.digests)
    with scratch_folder() as scratch, EventLog(scratch / "events.jsonl") as log, stop_on_signals() as stop:
        runner = Runner(stages, store=store, log=log, listener=listener, hardware=recipe.hardware, stop=stop)
        try:
            return BuiltCorpus(runner.bring_up_to_date("corpus"))
        finally:
            store.digests.save()


def newest_corpus(output: Path) -> Path:
    """The folder of the corpus that was made last. Raises UserError when there is none."""
    folders = [path.parent for path in (output / ".store" / "corpus").glob("*/manifest.json")]
    if not folders:
        raise UserError(f"there is no corpus in {output}; make one with `acclimate corpus RECIPE`")
    return max(folders, key=lambda folder: (read_json(folder / "manifest.json")["created"], folder.name))
