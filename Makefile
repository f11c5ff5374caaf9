# Each target does its own set-up on a machine that has Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DELETE_ON_ERROR:
.PHONY: train test test-fast test-slow lint format table bench clean

# The main job: make train ARGS="model=lstm sim=pendulum"
train: $(READY)
	$(BIN)/python train.py $(ARGS)

# Both at once: mypy keeps only one core busy
test: $(READY)
	+$(MAKE) --no-print-directory --jobs=2 lint test-fast

test-fast: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

# The wheel in an empty environment, and the numbers of the main job over three seeds
test-slow: $(READY)
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The table in docs/results.md: networks trained by gradient alone, two runs at a time
TABLE := $(BIN)/python train.py -m launcher=joblib runs=runs/table logger=none fit=gradient
TABLE += objective.symmetry=false inside=false
SEEDS := seed=0,1,2
table: $(READY)
	$(TABLE) sim=lorenz model=gru $(SEEDS)
	$(TABLE) sim=heat model=convlstm $(SEEDS)
	$(TABLE) sim=lorenz model=rnn,lstm,persistence,climatology,linear
	$(TABLE) sim=pendulum model=rnn,lstm,gru,persistence,climatology,linear
	$(TABLE) sim=heat model=rnn,lstm,gru,convrnn,convgru,persistence,climatology,linear
	$(BIN)/python scripts/compare.py runs/table --markdown --out compare.html

# The tables in docs/benchmarks.md, beside other people's solvers
bench: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench,fast]"
	$(BIN)/python scripts/benchmark/benchmark.py simulate
	$(BIN)/python scripts/benchmark/benchmark.py blocks
	$(BIN)/python scripts/benchmark/benchmark.py forecast
	$(BIN)/python scripts/benchmark/benchmark.py train

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
