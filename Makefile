# Every target that needs the environment makes it first. pip, because it finds the pinned CPU build of torch
# where a machine offers one; PYTHON names another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

BENCHES := pretraining_vs_trainer parts finetuning_vs_trainer time_to_quality startup_and_waste growth ranks \
	inference_vs_onnx predict_vs_pipeline embed_vs_sentence_transformers int8_accuracy html_main_text serving_vs_pipeline gpu_pretraining \
	corpus_vs_peers corpus_growth corpus_engines families gradient_memory
# One of each kind: training, fine-tuning, quality, answers as a library and as a service.
BENCHES_SHORT := pretraining_vs_trainer finetuning_vs_trainer time_to_quality inference_vs_onnx serving_vs_pipeline

.PHONY: install quickstart test test-slow bench bench-short check format clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c "import sys; sys.exit('Acclimate needs Python 3.11 or newer, this is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

quickstart: install
	$(BIN)/acclimate quickstart

test: install
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -m slow

# All comparisons with their records: hours, on a machine that does nothing else. See benchmarks/README.md.
bench: $(VENV)/.installed-bench
	set -e; for name in $(BENCHES); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done

# A quick look, without records: under five minutes.
bench-short: $(VENV)/.installed-bench
	set -e; for name in $(BENCHES_SHORT); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py --short; done

$(VENV)/.installed-bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
