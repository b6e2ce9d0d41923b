"""Every family in the conformance suite. A new family adds one entry here; `family_entry.py` says what it may hold."""

from __future__ import annotations

from typing import Any

import electra_entry
import layout_entry
import pairs_entry
import picture_entry
import recurrent_entry
import xlnet_entry
from family_entry import Entry, MakeTexts
from seq2seq_entry import last_token_outputs, written_batch

from acclimate.models.families.bart import size as bart_size

TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
"""Of configurations with BERT's names."""

TABLE: dict[str, Entry] = {
    "bert": Entry(
        tiny=TINY,
        objectives=("mlm", {"mlm": {"unit": "span"}}, "nsp", "sop", {"nsp": {"mlm": None}}, "token_type"),
        idle=(r"cls\.predictions",),
        counts={
            "tiny": {"encoder": 4_385_920, "pretraining": 4_433_468},
            "mini": {"encoder": 11_170_560},
            "small": {"encoder": 28_763_648},
            "medium": {"encoder": 41_373_184},
            "base": {"encoder": 109_482_240, "mlm": 109_514_298, "pretraining": 110_106_428},
            "base-cased": {"encoder": 108_310_272},
            "base-zh": {"encoder": 102_267_648},
            "base-multilingual": {"encoder": 177_853_440},
            "large": {"encoder": 335_141_888, "pretraining": 336_226_108},
        },
    ),
    "transformer": Entry(
        tiny={"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24},
        objectives=("mlm",),
        kinds=(
            "encoder",
            "mlm",
            "pretraining",
            "classification",
            "tokens",
            "spans",
        ),  # the others in test_transformer.py
        counts={  # without a pooler, and with BERT's own head; cramming: worked out by hand
            "tiny": {"encoder": 4_369_408, "mlm": 4_416_698},
            "mini": {"encoder": 11_104_768, "mlm": 11_201_594},
            "small": {"encoder": 28_500_992, "mlm": 28_795_194},
            "base": {"encoder": 108_891_648, "mlm": 109_514_298},
            "cramming": {"encoder": 119_591_425, "mlm": 119_591_425},
        },
    ),
    "gpt2": Entry(
        tiny={"n_layer": 2, "n_embd": 16, "n_head": 2},
        objectives=("clm", {"clm": {"joined": True}}),
        counts={
            "tiny": {"clm": 6_960_768},
            "mini": {"clm": 16_287_488},
            "distil": {"clm": 81_912_576},
            "small": {"clm": 124_439_808, "encoder": 124_439_808},
            "medium": {"clm": 354_823_168},
            "large": {"clm": 774_030_080},
            "xl": {"clm": 1_557_611_200},
        },
        batch=written_batch,
        plain=last_token_outputs,
    ),
    "gpt3": Entry(
        tiny={"n_layer": 1, "n_embd": 16, "n_head": 2},
        objectives=("clm",),
        counts={
            "125m": {"clm": 125_226_240},
            "350m": {"clm": 355_871_744},
            "760m": {"clm": 760_300_032},
            "1.3b": {"clm": 1_315_723_264},
            "2.7b": {"clm": 2_651_553_280},
            "6.7b": {"clm": 6_658_404_352},
            "13b": {"clm": 12_853_386_240},
            "175b": {"clm": 174_604_259_328},
        },
        batch=written_batch,
        plain=last_token_outputs,
    ),
    "bart": Entry(
        tiny={**bart_size(2, 16, 2), "vocab_size": 50},
        objectives=("denoise", "span_corruption"),
        counts={
            "tiny": {"seq2seq": 7_622_784},
            "mini": {"seq2seq": 20_766_976},
            "base": {"seq2seq": 139_420_416, "encoder": 139_420_416},
            "large": {"seq2seq": 406_291_456},
        },
        batch=written_batch,
        plain=last_token_outputs,
        idle=(r"k_proj\.bias",),
    ),
    "mbart": Entry(
        tiny={**bart_size(1, 16, 2), "vocab_size": 50},
        objectives=({"denoise": {"rate": 0.35, "mean": 3.5}},),
        counts={
            "tiny": {"seq2seq": 33_192_832},
            "mini": {"seq2seq": 71_907_072},
            "cc25": {"seq2seq": 610_851_840},
        },
        batch=written_batch,
        plain=last_token_outputs,
        idle=(r"k_proj\.bias",),
    ),
    "t5": Entry(
        tiny={"num_layers": 2, "d_model": 16, "num_heads": 2, "d_ff": 24, "d_kv": 8},
        objectives=("span_corruption", "denoise"),
        counts={
            "tiny": {"seq2seq": 5_031_552},
            "mini": {"seq2seq": 15_570_688},
            "small": {"seq2seq": 60_506_624, "encoder": 60_506_624},
            "base": {"seq2seq": 222_903_552},
            "large": {"seq2seq": 737_668_096},
            "3b": {"seq2seq": 2_851_598_336},
            "11b": {"seq2seq": 11_307_321_344},
        },
        batch=written_batch,
        plain=last_token_outputs,
        rate=1e-2,
        steps=250,
    ),
    "t5.1.1": Entry(
        tiny={"num_layers": 1, "d_model": 16, "num_heads": 2, "d_ff": 24, "d_kv": 8},
        objectives=("span_corruption",),
        counts={
            "tiny": {"seq2seq": 9_148_032},
            "mini": {"seq2seq": 23_779_072},
            "small": {"seq2seq": 76_961_152},
            "base": {"seq2seq": 247_577_856},
            "large": {"seq2seq": 783_150_080},
        },
        batch=written_batch,
        plain=last_token_outputs,
    ),
    "electra": Entry(
        tiny={**TINY, "embedding_size": 12, "generator_width": 0.5},
        objectives=("rtd", "mlm", "token_type"),
        counts={
            "tiny": {"encoder": 4_369_408, "rtd": 4_450_587},
            "mini": {"encoder": 7_164_928, "rtd": 7_478_267},
            "small": {"encoder": 13_483_008, "rtd": 14_196_219},
            "base": {"encoder": 108_891_648, "rtd": 119_386_427},
            "large": {"encoder": 334_092_288, "rtd": 354_655_291},
            "small-discriminator": {"encoder": 13_483_008},
            "small-generator": {"mlm": 4_620_026},
            "base-discriminator": {"encoder": 108_891_648},
            "base-generator": {"mlm": 33_740_602},
            "large-discriminator": {"encoder": 334_092_288},
            "large-generator": {"mlm": 51_295_290},
        },
        ours=electra_entry.ours,
        plain=electra_entry.plain,
        steps=350,
    ),
    "albert": Entry(
        tiny={**TINY, "embedding_size": 12},
        objectives=("mlm", "sop", "nsp"),
        counts={
            "tiny": {"encoder": 4_137_344},
            "mini": {"encoder": 4_794_624},
            "base": {"encoder": 11_683_584, "mlm": 11_221_680},
            "large": {"encoder": 17_683_968, "mlm": 16_795_824},
            "xlarge": {"encoder": 58_724_864, "mlm": 54_821_040},
            "xxlarge": {"encoder": 222_595_584, "mlm": 206_368_944},
        },
    ),
    "roberta": Entry(
        tiny=TINY,
        objectives=("mlm",),
        counts={
            "tiny": {"encoder": 6_913_152, "mlm": 6_963_673},
            "mini": {"encoder": 16_225_024, "mlm": 16_275_801},
            "distil": {"encoder": 82_118_400},
            "base": {"encoder": 124_645_632, "mlm": 124_697_433},
            "large": {"encoder": 355_359_744, "mlm": 355_412_057},
        },
    ),
    "camembert": Entry(
        tiny=TINY,
        objectives=("mlm",),
        counts={"base": {"encoder": 110_621_952}, "large": {"encoder": 336_661_504}},
    ),
    "xlm-r": Entry(
        tiny=TINY,
        objectives=("mlm",),
        counts={
            "base": {"encoder": 278_043_648, "mlm": 278_295_186},
            "large": {"encoder": 559_890_432, "mlm": 560_142_482},
        },
    ),
    "distilbert": Entry(
        tiny={"n_layers": 2, "dim": 16, "n_heads": 2, "hidden_dim": 24},
        objectives=("mlm",),
        counts={"base": {"encoder": 66_362_880, "mlm": 66_985_530}},
    ),
    "tinybert": Entry(
        tiny={**TINY, "hidden_size": 52},
        objectives=("mlm",),
        counts={"4": {"encoder": 14_350_248}, "6": {"encoder": 66_955_008}},
    ),
    "modernbert": Entry(
        tiny={**TINY, "num_hidden_layers": 4, "local_attention": 8},
        objectives=("mlm",),
        counts={
            "tiny": {"encoder": 6_865_792},
            "mini": {"encoder": 16_239_872},
            "base": {"encoder": 149_014_272},
            "large": {"encoder": 394_781_696},
        },
    ),
    "llama": Entry(
        tiny={**TINY, "num_key_value_heads": 1},
        objectives=("clm",),
        batch=written_batch,
        plain=last_token_outputs,
        counts={
            "tiny": {"clm": 8_594_048},
            "mini": {"clm": 19_597_568},
            "smollm-135m": {"clm": 134_515_008},
            "tinyllama-1.1b": {"clm": 1_100_048_384},
            "7b": {"clm": 6_738_415_616},
            "13b": {"clm": 13_015_864_320},
        },
    ),
    "xlnet": Entry(
        tiny={"n_layer": 2, "d_model": 16, "n_head": 2, "d_inner": 24, "initializer_range": 0.2},
        objectives=("perm",),
        counts={
            "tiny": {"encoder": 4_525_696, "perm": 4_557_696},
            "mini": {"encoder": 11_614_464, "perm": 11_646_464},
            "base": {"encoder": 116_718_336, "perm": 116_750_336},
            "large": {"encoder": 360_268_800, "perm": 360_300_800},
        },
        batch=xlnet_entry.ordered_batch,
        plain=xlnet_entry.plain_outputs,
    ),
    "xlm": Entry(
        tiny={"n_layers": 2, "emb_dim": 16, "n_heads": 2},
        objectives=("mlm", {"tlm": pairs_entry.PAIRS}),
        counts={
            "mini": {"encoder": 11_007_744},
            "small": {"encoder": 34_611_712},
            "15": {"encoder": 248_976_384},
            "100": {"encoder": 571_496_960},
        },
        settings={"languages": ["en", "zh"]},
        texts=pairs_entry.texts,
        batch=pairs_entry.with_languages,
        idle=("lang_embeddings",),
    ),
    "transformer-xl": Entry(
        tiny=TINY,
        objectives=("clm", "clm_stream"),
        counts={
            "mini": {"clm": 3_470_028},
            "12l": {"clm": 41_055_436},
            "24l": {"clm": 277_231_820},
            "wt103-base": {"clm": 151_106_305},
        },
        texts=recurrent_entry.streams,
    ),
    "seq2seq": Entry(
        tiny=TINY,
        objectives=({"translation": pairs_entry.PAIRS},),
        counts={
            "tiny": {"seq2seq": 5_698_696},
            "small": {"seq2seq": 15_038_600},
            "base": {"encoder": 63_082_496, "seq2seq": 63_119_496},
        },
        texts=pairs_entry.texts,
    ),
    "tlm-xl": Entry(
        tiny=TINY,
        objectives=("clm", "clm_stream"),
        counts={
            "tiny": {"clm": 6_912_209},
            "mini": {"clm": 16_335_697},
            "small": {"clm": 46_263_889},
            "base": {"clm": 130_763_089},
            "large": {"clm": 297_085_009},
            "xl": {"clm": 831_659_857},
        },
        texts=recurrent_entry.streams,
    ),
    "clip": Entry(
        tiny=picture_entry.TINY,
        objectives=({"itc": picture_entry.PAIRS},),
        counts={
            "tiny": {"dual": 7_980_673},
            "b-32": {"dual": 151_277_313},
            "b-16": {"dual": 149_620_737},
            "l-14": {"dual": 427_616_513},
        },
        texts=picture_entry.captioned,
        batch=picture_entry.batch_of(views=1),
        ours=picture_entry.similarities,
        plain=picture_entry.plain_similarities,
        idle=(r"k_proj\.bias",),
    ),
    "coconvit": Entry(
        tiny=picture_entry.TINY,
        objectives=({"itc": picture_entry.PAIRS}, {"itm": picture_entry.PAIRS}),
        counts={
            "tiny": {"dual": 5_677_313, "matching": 5_710_338},
            "base": {"dual": 85_798_656 + 108_744_192 + 2_952_960 + 590_593},
        },
        texts=picture_entry.captioned,
        batch=picture_entry.batch_of(views=2),
        ours=picture_entry.similarities,
        plain=picture_entry.plain_similarities,
        idle=(r"key\.bias",),
    ),
    "layoutlm": Entry(
        tiny=TINY,
        objectives=({"mvlm": {"forms": {"path": "forms.json"}}}, "mlm"),
        counts={
            "tiny": {"encoder": 4_910_208},
            "mini": {"encoder": 12_219_136},
            "base": {"encoder": 112_627_968, "mlm": 113_250_618},
            "large": {"encoder": 339_336_192, "mlm": 340_418_362},
        },
        texts=layout_entry.forms,
        batch=layout_entry.boxed,
        idle=("pooler",),
    ),
    "rnn": Entry(
        tiny=recurrent_entry.TINY,
        objectives=("clm", "clm_stream"),
        counts={
            "tiny": {"clm": 1_298_256},
            "mini": {"clm": 2_635_792},
            "small": {"clm": 4_170_400},
            "medium": {"clm": 14_701_300},
            "large": {"clm": 39_013_000},
        },
        texts=recurrent_entry.streams,
        rate=3e-2,
    ),
    "lstm": Entry(
        tiny=recurrent_entry.TINY,
        objectives=("clm", "clm_stream", {"clm_stream": {"activation": 2, "change": 1}}),
        counts={
            "tiny": {"clm": 1_323_024},
            "mini": {"clm": 2_833_168},
            "small": {"clm": 4_651_600},
            "medium": {"clm": 19_775_200},
            "large": {"clm": 66_022_000},
        },
        texts=recurrent_entry.streams,
        rate=3e-2,
    ),
    "gru": Entry(
        tiny=recurrent_entry.TINY,
        objectives=("clm", "clm_stream"),
        counts={
            "tiny": {"clm": 1_314_960},
            "mini": {"clm": 2_768_144},
            "small": {"clm": 4_492_400},
            "medium": {"clm": 18_087_800},
            "large": {"clm": 57_028_000},
        },
        texts=recurrent_entry.streams,
        rate=3e-2,
    ),
    "awd-lstm": Entry(
        tiny={**recurrent_entry.TINY, "hidden_size": 24, "last_size": 16},
        objectives=("clm", {"clm_stream": {"activation": 2, "change": 1, "lengths": "random"}}),
        counts={"mini": {"clm": 2_281_136}, "ptb": {"clm": 24_221_600}, "wt2": {"clm": 33_556_078}},
        settings=dict.fromkeys(
            ("hidden_dropout", "input_dropout", "embedding_dropout", "weight_dropout"), 0.0
        ),
        texts=recurrent_entry.streams,
        rate=3e-2,
    ),
    "elmo": Entry(
        tiny=recurrent_entry.TINY_ELMO,
        objectives=("bilm",),
        counts={
            "small": {"encoder": 13_593_296},
            "medium": {"encoder": 28_027_728},
            "original": {"encoder": 93_600_848},
        },
        ours=recurrent_entry.both_ways,
        plain=recurrent_entry.plain_both_ways,
        rate=2e-2,
    ),
}

OBJECTIVES: dict[str, tuple[Any, MakeTexts]] = {
    "tlm": ({"tlm": pairs_entry.PAIRS}, pairs_entry.texts),
    "translation": ({"translation": pairs_entry.PAIRS}, pairs_entry.texts),
    "itc": ({"itc": picture_entry.PAIRS}, picture_entry.captioned),
    "itm": ({"itm": picture_entry.PAIRS}, picture_entry.captioned),
    "mvlm": ({"mvlm": {"forms": {"path": "forms.json"}}}, layout_entry.forms),
    "clm_stream": ("clm_stream", recurrent_entry.streams),
    "contrastive": ({"contrastive": pairs_entry.MARKED}, pairs_entry.texts),
    "ranking": ({"ranking": pairs_entry.MARKED}, pairs_entry.texts),
    "softmax_pairs": (
        {"softmax_pairs": {**pairs_entry.MARKED, "labels": ["same", "other", "unlike"]}},
        pairs_entry.texts,
    ),
    "cosine_pairs": ({"cosine_pairs": pairs_entry.MARKED}, pairs_entry.texts),
}
"""Objectives that need more than their name and the corpus: how they are written, and what makes their texts. Every
family takes a step by every objective that it can learn by, also by those that its entry does not name."""
