"""An adapted tokenizer really gives its new tokens, and all that has none is cut as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.errors import UserError
from acclimate.tokenizer.adapt.plan import NEW, Adaptation
from acclimate.tokenizer.loading import load_tokenizer

ALGORITHMS = ("wordpiece", "bpe", "unigram")


def cut(tokenizer: Any, texts: list[str]) -> list[list[str]]:
    return [tokenizer.tokenize(text) for text in texts]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_new_token_is_given(adapted: Any, trained: Any, domain: list[str], algorithm: str) -> None:
    plan, folder = adapted(algorithm)
    before, after = load_tokenizer(trained(algorithm)), load_tokenizer(folder)
    rows = cut(after, domain)
    given = {token for row in rows for token in row}
    new = [one for one in plan.new if not one.step]
    # BPE spends entries on the way to its words, most for Chinese, which it spells in bytes.
    assert len(new) >= (4 if algorithm == "bpe" else 8)
    assert {one.token for one in new} <= given
    counted = [token for row in rows for token in row]
    assert all(one.count == counted.count(one.token) for one in plan.new)
    assert sum(map(len, rows)) < 0.85 * sum(map(len, cut(before, domain)))
    # The text itself is what it was.
    for text, row in zip(domain, rows, strict=True):
        assert after.encode(text, add_special_tokens=False) == after.convert_tokens_to_ids(row)
        spelt = "".join(row).replace("##", "").replace("Ġ", "").replace("▁", "")
        old = "".join(before.tokenize(text)).replace("##", "").replace("Ġ", "").replace("▁", "")
        assert spelt == old


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_text_without_new_tokens_is_cut_as_before(
    adapted: Any, trained: Any, general: list[str], domain: list[str], algorithm: str
) -> None:
    plan, folder = adapted(algorithm)
    before, after = load_tokenizer(trained(algorithm)), load_tokenizer(folder)
    new = {one.token for one in plan.new}
    compared = 0
    for text in [*general, *domain, *(" ".join(text.split()[:3]) for text in domain)]:
        row = after.tokenize(text)
        if new.isdisjoint(row):
            compared += 1
            assert row == before.tokenize(text)
    assert compared > 30
    assert plan.changed == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ids_and_pieces(adapted: Any, trained: Any, algorithm: str) -> None:
    plan, folder = adapted(algorithm)
    before, after = load_tokenizer(trained(algorithm)), load_tokenizer(folder)
    vocabulary = after.get_vocab()
    assert plan == Adaptation.read(folder)
    assert sorted(vocabulary.values()) == list(range(len(plan.from_old)))
    for token, id in before.get_vocab().items():
        assert vocabulary[token] == id  # nothing went, so nothing moved
        assert plan.from_old[id] == id
    assert [one.id for one in plan.new] == [id for id, old in enumerate(plan.from_old) if old == NEW]
    for one in plan.new:
        assert vocabulary[one.token] == one.id
        spelt = "".join(before.convert_ids_to_tokens(one.pieces))
        assert spelt.replace("##", "") == one.token.replace("##", "")
    assert after("a locomotive").input_ids == before("a locomotive").input_ids


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_text_gives_the_same_bytes(adapted: Any, algorithm: str) -> None:
    first, second = adapted(algorithm)[1], adapted(algorithm)[1]
    names = sorted(path.name for path in first.iterdir())
    assert {"tokenizer.json", "tokenizer_config.json", "adaptation.json"} <= set(names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_chinese_words_become_tokens(adapted: Any, algorithm: str) -> None:
    _, folder = adapted(algorithm)
    tokenizer = load_tokenizer(folder)
    rows = tokenizer.convert_ids_to_tokens(tokenizer.encode("他有高血压", add_special_tokens=False))
    text = [
        tokenizer.convert_tokens_to_string([token]).strip()
        if algorithm != "wordpiece"
        else token.removeprefix("##")
        for token in rows
    ]
    assert any(len(one) > 1 and one in "高血压" for one in text), rows


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_replacing_keeps_the_size(adapted: Any, trained: Any, domain: list[str], algorithm: str) -> None:
    grown, _ = adapted(algorithm, choose={"saving": {"tokens": 5}})
    plan, folder = adapted(algorithm, choose={"saving": {"tokens": 5}}, mode="replace")
    before, after = load_tokenizer(trained(algorithm)), load_tokenizer(folder)
    assert len(after) == len(before) == len(plan.from_old)
    assert len(plan.gone) == len(plan.new) == len(grown.new)
    assert {one.token for one in plan.new} == {one.token for one in grown.new}
    assert not set(plan.gone) & set(before.all_special_tokens)
    old = before.get_vocab()
    for token, id in after.get_vocab().items():
        if token in old:
            assert old[token] == id  # those that stay keep their places
    given = {token for row in cut(after, domain) for token in row}
    assert {one.token for one in plan.new if not one.step} <= given
    with pytest.raises(UserError, match=r"are to be replaced, and only [\d,]+ old ones are not used"):
        adapted(
            algorithm,
            choose={"saving": {"tokens": 400, "occurrences": 1}},
            mode="replace",
            text=[*domain, " ".join(old)],
        )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pruning_leaves_the_text_as_it_is(
    adapted: Any, trained: Any, domain: list[str], algorithm: str
) -> None:
    _, whole = adapted(algorithm)
    plan, folder = adapted(algorithm, prune={"least": 1})
    before, full, after = (load_tokenizer(one) for one in (trained(algorithm), whole, folder))
    assert len(after) < len(full)
    assert len(after) == len(full) - len(plan.gone)
    assert cut(after, domain) == cut(full, domain)
    assert after.all_special_tokens == before.all_special_tokens
    first, *_, last = after("a chocolate").input_ids
    assert (first, last) == (after.cls_token_id, after.sep_token_id)
    names = before.convert_ids_to_tokens(range(len(before)))
    kept = after.convert_ids_to_tokens(range(len(after)))
    for id, old in enumerate(plan.from_old):
        assert old == NEW or names[old] == kept[id]
    # What could be spelt can still be spelt.
    assert after.unk_token not in after.tokenize(
        "zebra quartz 今天 fjord" if algorithm != "wordpiece" else "the"
    )


def test_pruning_more_takes_rare_entries_and_characters_too(adapted: Any, domain: list[str]) -> None:
    one, _ = adapted("wordpiece", prune={"least": 1})
    more, folder = adapted("wordpiece", prune={"least": 60, "characters": True})
    assert len(more.gone) > len(one.gone)
    assert load_tokenizer(folder).unk_token_id in load_tokenizer(folder)("的").input_ids


def test_more_than_the_text_supports_is_noted_and_nothing_is_refused(adapted: Any) -> None:
    plan, _ = adapted("wordpiece", choose={"saving": {"tokens": 5000}})
    assert (
        plan.note
        == f"5,000 tokens were asked for; the training text supports {len(plan.new)}, which were added"
    )
    with pytest.raises(
        UserError, match="no token can be added: no word that is cut into pieces occurs 5 times"
    ):
        adapted("wordpiece", text=["the house was old"])


def test_special_tokens_in_the_text_are_no_candidates(adapted: Any, trained: Any, domain: list[str]) -> None:
    spelt = ["[MASK] [SEP] <|endoftext|> [MASK]x"] * 20
    plan, folder = adapted("wordpiece", text=domain + spelt, choose={"saving": {"tokens": 40}})
    before, after = load_tokenizer(trained("wordpiece")), load_tokenizer(folder)
    assert not any(set("[]<|>") & set(one.token) for one in plan.new)
    assert after.all_special_ids == before.all_special_ids
    assert after.mask_token_id in after("a [MASK] b").input_ids


def test_added_tokens_that_stand_after_the_vocabulary_move_up(
    adapted: Any, trained: Any, domain: list[str], tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(trained("unigram"))
    size = len(tokenizer)
    tokenizer.add_tokens(["<note>"])
    tokenizer.save_pretrained(str(tmp_path / "more"))
    plan, folder = adapted(tmp_path / "more")
    after = load_tokenizer(folder)
    assert plan.from_old.index(size) == after.convert_tokens_to_ids("<note>") == len(plan.from_old) - 1
    assert "<note>" in after.tokenize("a <note> carcinoma")


def test_kinds_that_cannot_be_adapted_are_refused_by_name(adapted: Any, tmp_path: Path) -> None:
    from acclimate.tokenizer.untrained import untrained_tokenizer

    untrained_tokenizer(20).save_pretrained(str(tmp_path / "words"))
    with pytest.raises(
        UserError, match="the vocabulary of a WordLevel tokenizer cannot be adapted; it works for"
    ):
        adapted(tmp_path / "words")
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"has no tokenizer\.json; a fast tokenizer is needed"):
        adapted(tmp_path / "none")


def test_words_that_would_become_unknown_are_left_alone(adapted: Any, tmp_path: Path) -> None:
    """WordPiece never turns back: `kin` as an entry would leave `##q`, which is none, of `kinq`."""
    from acclimate.tokenizer.specials import TOKENS, finished
    from acclimate.tokenizer.wordpiece import wordpiece_with

    entries = [*TOKENS, "k", "ki", "##i", "##n", "##nq", "##s"]
    backend = wordpiece_with({entry: id for id, entry in enumerate(entries)}, lowercase=False)
    finished(backend, spaced=False, model_max_length=None).save_pretrained(str(tmp_path / "small"))
    text = ["kin kins"] * 20 + ["kinq"]
    plan, folder = adapted(tmp_path / "small", text=text)
    tokenizer = load_tokenizer(folder)
    assert [one.token for one in plan.new] == ["kins"]
    assert tokenizer.tokenize("kinq kin kins") == ["ki", "##nq", "ki", "##n", "kins"]


def test_the_folder_holds_no_older_layout(adapted: Any, trained: Any, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(trained("wordpiece"))
    tokenizer.save_pretrained(str(tmp_path / "bert"))
    config = json.loads((tmp_path / "bert/tokenizer_config.json").read_text("utf-8"))
    config["tokenizer_class"] = "BertTokenizer"
    (tmp_path / "bert/tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    plan, folder = adapted(tmp_path / "bert")
    after = load_tokenizer(folder)
    assert type(after).__name__.startswith("Bert")
    assert all(after.convert_tokens_to_ids(one.token) == one.id for one in plan.new)
    assert not (folder / "vocab.txt").exists()
