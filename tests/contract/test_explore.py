import gzip, pytest
from pathlib import Path


def show(name, e):
    print(f"\n=== {name}: code {e.code} ({e.seconds:.1f}s)\nOUT: {e.out[:200]}\nERR: {e.err[-1500:]}")


def test_all(acclimate_command, make_project, tmp_path):
    n = 0

    def case(name, change, *sets, verb="run"):
        nonlocal n
        n += 1
        folder = make_project(tmp_path / str(n))
        change(folder)
        args = [p for s in sets for p in ("--set", s)]
        show(name, acclimate_command(verb, "recipe.yaml", *args, folder=folder))

    w = lambda f, data: lambda folder: (folder / f).write_bytes(data)

    def edit(f, fn):
        return lambda folder: (folder / f).write_bytes(fn((folder / f).read_bytes()))

    none = lambda folder: None
    case("missing text", lambda f: (f / "text.txt").unlink())
    case("missing train", lambda f: (f / "train.tsv").unlink())
    case("empty text", w("text.txt", b""))
    case("empty train", w("train.tsv", b""))
    case("empty test", w("test.tsv", b""))
    case("blank text", w("text.txt", b"\n\n  \n"))
    case("folder", lambda f: ((f / "text.txt").unlink(), (f / "text.txt").mkdir()))
    case(
        "invalid utf8 few",
        edit("text.txt", lambda d: d.replace(b"oven", b"ov\xff\xfen", 5)),
        "corpus.sources.0.encoding=utf-8",
    )
    case("nul", edit("text.txt", lambda d: d.replace(b"oven", b"ov\x00en", 5)))
    case("all nul", w("text.txt", b"\x00" * 5000))

    def gz(f):
        d = gzip.compress((f / "text.txt").read_bytes())
        (f / "text.txt.gz").write_bytes(d[: len(d) // 2])

    case("truncated gz", gz, "corpus.sources.0.path=text.txt.gz")
    case(
        "truncated train gz",
        lambda f: (f / "train.tsv.gz").write_bytes(gzip.compress((f / "train.tsv").read_bytes())[:300]),
        "tasks.topic.classification.train=train.tsv.gz",
    )
    case(
        "not gz",
        lambda f: (f / "text.txt.gz").write_bytes((f / "text.txt").read_bytes()),
        "corpus.sources.0.path=text.txt.gz",
    )
    case(
        "ragged",
        edit(
            "train.tsv",
            lambda d: b"\n".join(l if i % 10 else l + b"\textra\tx" for i, l in enumerate(d.split(b"\n"))),
        ),
    )
    case("all ragged test", edit("test.tsv", lambda d: d.replace(b"\t", b" ")))
    case("unknown label", edit("test.tsv", lambda d: d.replace(b"\tsport", b"\tsprot", 1)))
    case(
        "one class",
        edit(
            "train.tsv", lambda d: b"\n".join(l.rsplit(b"\t", 1)[0] + b"\tsport" for l in d.split(b"\n") if l)
        ),
    )
    case(
        "empty labels",
        edit("train.tsv", lambda d: b"\n".join(l.rsplit(b"\t", 1)[0] + b"\t" for l in d.split(b"\n") if l)),
    )
    case("no such column", none, "tasks.topic.classification.label=7")
    case("vocab too large", none, "tokenizer.train.vocab_size=30k", "tokenizer.train.least=50%")
    case("vocab too small", none, "tokenizer.train.vocab_size=20")
    case("seq too long", none, "pretrain.sequence_length=100")
    case("task seq too long", none, "tasks.topic.classification.sequence_length=65")
    case("inf", none, "pretrain.optimizer.adamw.lr=1e30", "pretrain.gradients=[]")
    case("inf task", none, "tasks.topic.classification.optimizer.adamw.lr=1e30", "pretrain.length=2 steps")
    case("no validation", none, "corpus.split.validation=0%")
    case("no such hub", none, "model={family: bert, checkpoint: ./nothing}")
    case("no such hub2", none, "model={family: bert, checkpoint: nothing-here}")
