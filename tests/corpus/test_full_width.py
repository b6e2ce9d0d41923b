from __future__ import annotations

from acclimate.corpus.full_width import plain


def test_every_character_keeps_its_place() -> None:
    text = "电话：１３８－００，Ａｂ　（例）"
    assert plain(text) == "电话:138-00,Ab (例)" and len(plain(text)) == len(text)


def test_what_is_not_full_width_stays() -> None:
    text = "½ ② ﬁ 、。「」 e\u0301 ５".replace("５", "5")
    assert plain(text) is text
