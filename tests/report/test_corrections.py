"""What the data card says of repairs, repeated passages and held-out texts."""

from __future__ import annotations

from acclimate.report.corrections import changed_rows, contamination, repeated_passages


def test_changes_are_ranked_with_their_share() -> None:
    rows = changed_rows({"read": 200, "changed": {"mojibake": 2, "personal_data:email": 50}})
    assert [(row["name"], row["count"]) for row in rows] == [("personal_data:email", "50"), ("mojibake", "2")]
    assert rows[0]["share"].startswith("25")
    assert changed_rows({}) == []


def test_held_out_texts_by_set() -> None:
    said = {
        "sets": [{"task": "topic", "split": "test", "texts": 50, "found": 5}, {"split": "test", "texts": 0}],
        "dropped": {"in_task": 4, "contaminated": 3},
        "cut": 1200,
    }
    found = contamination(said)
    assert found is not None
    assert next((row["name"], row["texts"], row["found"]) for row in found["rows"]) == (
        "topic test",
        "50",
        "5",
    )
    assert found["rows"][0]["share"].startswith("10") and found["rows"][1]["name"] == "test"
    assert (found["dropped"], found["cut"]) == ("7", "1,200")
    assert contamination(None) is None


def test_repeated_passages() -> None:
    said = {
        "documents_cut": 5,
        "characters_cut": 1234,
        "examples": [{"place": f"a:{n}", "also_in": "b:1", "words_cut": 60} for n in range(5)],
    }
    found = repeated_passages(said)
    assert found is not None and (found["documents"], found["characters"]) == ("5", "1,234")
    assert found["examples"][0] == {"place": "a:0", "detail": "60 words that also stand in b:1"}
    assert len(found["examples"]) == 3
    assert repeated_passages({"documents_cut": 0}) is None and repeated_passages(None) is None
