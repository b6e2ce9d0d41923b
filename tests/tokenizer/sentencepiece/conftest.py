from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece


@pytest.fixture(scope="session")
def models(
    tmp_path_factory: pytest.TempPathFactory, english: list[str], chinese: list[str]
) -> dict[str, Path]:
    """Models that SentencePiece itself trained, by algorithm, byte fallback and rules of normalisation."""
    folder = tmp_path_factory.mktemp("models")
    texts = [text for text in [*english[:900], *chinese[:2000]] if text.strip()]
    made = {}
    for algorithm, fallback, rules in (
        ("unigram", True, "nmt_nfkc"),
        ("unigram", False, "identity"),
        ("bpe", True, "nmt_nfkc_cf"),
        ("bpe", False, "identity"),
    ):
        name = f"{algorithm}-{rules}"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(folder / name),
            vocab_size=4000,
            model_type=algorithm,
            byte_fallback=fallback,
            normalization_rule_name=rules,
            remove_extra_whitespaces=rules != "identity",
            user_defined_symbols=["<dot>", "abc" if rules.endswith("_cf") else "ABC"],
            control_symbols=["<ctl>"],
            num_threads=1,
            minloglevel=2,
        )
        made[name] = folder / f"{name}.model"
    return made
