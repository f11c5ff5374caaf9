# Each target does its own set-up on a machine that has Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN := $(VENV)/.train
READY := $(VENV)/.ready
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.DELETE_ON_ERROR:
.PHONY: train test test-fast test-slow lint format table bench clean

# The main job: make train ARGS="model=lstm sim=pendulum"
train: $(TRAIN)
	$(BIN)/python train.py $(ARGS)

# Both at once: mypy keeps only one core busy
test: $(READY)
	+$(MAKE) --no-print-directory --jobs=2 lint test-fast

test-fast: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

# All members and combinations of which test-fast takes a few, the wheel in an empty environment,
# the notebooks, and the numbers of the main job over three seeds
test-slow: $(READY) $(VENV)/.docs
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
	$(INSTALL) ".[bench,fast]"
	$(BIN)/python scripts/benchmark.py simulate
	$(BIN)/python scripts/benchmark.py blocks
	$(BIN)/python scripts/benchmark.py forecast
	$(BIN)/python scripts/benchmark.py train

# What the main job needs, and no extra
$(TRAIN): pyproject.toml constraints.txt
	@echo "Installing sirve and PyTorch into $(VENV) ... (once, two to four minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) .
	@echo "Done. To compile the rollouts of small networks (numba), which makes them faster:"
	@echo "  $(BIN)/python -m pip install --constraint constraints.txt --editable '.[fast]'"
	@touch $@

$(READY): $(TRAIN)
	@echo "Installing the tools of the tests into $(VENV) ... (once, some minutes)"
	@$(INSTALL) ".[test]"
	@# Compile the kernels once; each process of the tests would compile them for itself
	@$(BIN)/python -m pytest -q tests/cores/test_rolling.py > /dev/null || true
	@touch $@

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The site, in site/index.html: warnings are errors
.PHONY: docs
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@
