# The project's chores. `make help` lists them; CONTRIBUTING.md says when to use which.

PYTHON ?= python3
JUPYTER_ARGS ?=
# EVERYTHING=1: nothing is left out, however long it takes.
EVERYTHING ?=
PYTEST_ARGS ?= $(if $(EVERYTHING),--slow)
# Other systems' packages, which are large: each set in an environment of its own.
PEERS := build/peers
# Those that `make compare` measures, beside ours and FastAPI, which is in our environment.
COMPARED := litserve bentoml mlserver ray torchserve multi-model-server
# What a release is built and checked with, and locks are made with.
RELEASE := build/release/tools
# Another checker of types, for a test.
PYRIGHT := build/pyright
BENCHMARKS ?=
COMPARE ?=
DRILL ?=
LESSONS ?= notebooks/*.ipynb exercises/solutions/*.ipynb
# Of the first lessons those that measure nothing: 02 compares loads, which wants a machine that has time for them.
FIRST_LESSONS := notebooks/0[013]_*.ipynb

# Where the environment forbids bytecode (images of containers like to), each of the thousands of processes that the
# checks start would compile all that it imports, for most of its time.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt
# Two set-ups in one environment: what the lab needs, and what the checks need besides. A stamp is older than
# these files when its set-up has to be done again.
LAB := $(VENV)/.lab
DEV := $(VENV)/.dev
# What JupyterLab shows at first; later it shows what one left there.
WORKSPACE := $(VENV)/.workspace
SETUP := pyproject.toml constraints.txt locked/lab.txt locked/dev.txt hatch_build.py clipperlab/frontend/package-lock.json \
  $(wildcard clipperlab/frontend/src/*.ts clipperlab/static/*.js)

# What it leaves outlives it where something goes wrong, on the Docker engine: so it runs once more at the end.
LASTING := $(wildcard notebooks/11_*.ipynb)
# Continuous integration runs all in four parts: those that mostly wait for the Docker engine, two lanes of those that
# compare no times, or such as are far apart, the first beside the tests, the second beside Docker, and the rest.
ON_DOCKER := $(wildcard notebooks/11_*.ipynb exercises/solutions/11_*.ipynb) $(LASTING)
LANE_1 := $(wildcard $(patsubst %,notebooks/%_*.ipynb,00 01 03 09 10 15 16 18 19) $(patsubst %,exercises/solutions/%_*.ipynb,03 05 09 10 12 18))
LANE_2 := $(wildcard $(patsubst %,exercises/solutions/%_*.ipynb,01 04 06 07 08 14 15 16 19))
ALONE := $(filter-out $(ON_DOCKER) $(LANE_1) $(LANE_2),$(wildcard notebooks/*.ipynb exercises/solutions/*.ipynb))
RUN_LESSONS := $(BIN)/python -m pytest -p tests.support.home -p tests.support.lesson_runs --nbval-lax --nbval-current-env --nbval-cell-timeout=120 --recorded build/lessons

.DEFAULT_GOAL := help
.PHONY: help lab demo stop test set-up lint types unit drill peers compare screenshots map docs notebooks first-lessons lessons-twice exercises benchmarks lock release format hooks clean parts curl wrk
.NOTPARALLEL:

help: ## list the chores
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf 'make %-13s %s\n' "$$name" "$$what"; done

lab: $(LAB) $(WORKSPACE) curl ## start a cluster and open the lessons in JupyterLab
	@$(BIN)/clipperlab start
	@printf '\nJupyterLab runs until you press Ctrl+C here, twice.\nThe cluster outlives it, and ends with: make stop\n\n'
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/workspaces/clipper-lab $(if $(filter 0,$(shell id -u)),--allow-root) $(JUPYTER_ARGS)

demo: $(LAB) ## serve a real model without a browser, and print what was seen
	@$(BIN)/clipperlab demo

stop: ## end the cluster that `make lab` started
	@if [ -x $(BIN)/clipperlab ]; then $(BIN)/clipperlab stop; fi

test: ## check what a newcomer can in 10 minutes; EVERYTHING=1: all there is to check
	@MAKE='$(MAKE)' EVERYTHING='$(EVERYTHING)' .ci/stages

set-up: $(DEV) curl $(if $(EVERYTHING),parts wrk $(PYRIGHT)/.made $(PEERS)/sagemaker/.made) ## install what the checks need

lint: $(DEV) ## check style, formatting and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(DEV) ## check types
	$(BIN)/mypy

unit: $(DEV) $(if $(findstring --slow,$(PYTEST_ARGS)),parts) ## run the tests in tests/; EVERYTHING=1: also the slow ones
	$(BIN)/pytest -p no:nbval $(PYTEST_ARGS)

drill: $(DEV) ## see what clients see in a bad hour
	$(BIN)/python -m tests.tools.drill $(DRILL)

peers: $(DEV) $(patsubst %,$(PEERS)/%/.made,tensorflow sagemaker $(COMPARED)) ## try other systems' own clients and models, in environments of their own (several GB)
	$(PEERS)/tensorflow/bin/python tests/tools/peers/record_tensorflow_serving.py
	$(PEERS)/sagemaker/bin/python tests/tools/peers/record_sagemaker.py
	$(PEERS)/torchserve/bin/python tests/tools/peers/record_torchserve.py
	$(BIN)/pytest -p no:nbval --slow tests/tools/peers

compare: $(DEV) wrk ## measure ours beside the systems that `make peers` made, and write the page (takes 8 minutes)
	$(BIN)/python -m tests.tools.compare $(COMPARE)

screenshots: $(DEV) parts ## take the README's pictures anew
	PYTHONPATH=notebooks $(BIN)/python -m tests.tools.screenshots
	$(BIN)/python -m tests.tools.demo_picture

map: $(DEV) ## draw docs/architecture.svg, the packages and their imports, from the code
	$(BIN)/python -m tests.tools.map

docs: $(DEV) ## make the site of the documentation, build/site, with what lessons put out when they last ran here
	$(BIN)/python -m tests.tools.site

notebooks: $(DEV) curl parts ## run every cell of every lesson and of every solution
	$(RUN_LESSONS) --keep-duplicates $(LESSONS) $(if $(filter command line,$(origin LESSONS)),,$(LASTING))

first-lessons: $(DEV) curl ## run the first of them that need no other program, and no quiet machine
	$(RUN_LESSONS) $(FIRST_LESSONS)

lessons-twice: $(DEV) curl parts ## the same, twice in one home: nothing that a lesson leaves may be in its own way
	$(RUN_LESSONS) --twice $(LESSONS)

exercises: $(DEV) ## make the exercises from their solutions, and the table of the lessons
	$(BIN)/python -m tests.tools.exercises
	$(BIN)/python -m tests.tools.overview

benchmarks: $(DEV) wrk ## measure the query path: rates, batching, overload and more (takes 20 minutes)
	$(BIN)/python -m tests.tools.benchmarks $(BENCHMARKS)

lock: $(DEV) $(RELEASE)/.made ## take the newest versions of all packages but torch, and pin them, with hashes for lab, checks, Binder and images
	grep '^#' constraints.txt >.lock && grep '^torch==' constraints.txt >.torch
	$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy eager -c .torch pip -e '.[dev]'
	$(BIN)/python -m pip freeze --all --exclude setuptools --exclude wheel --exclude-editable | sed 's/^\(torch==[^+]*\)+.*/\1/' >>.lock
	mv .lock constraints.txt && rm .torch
	$(call locked,--extra lab,locked/lab.txt)
	$(call locked,--extra dev,locked/dev.txt)
	$(call locked,--extra lab --extra workshop binder/proxy.in,locked/binder.txt)
	$(call locked,--extra server --extra sklearn --extra frames --extra onnx,clipperlab/images/locked.txt)

# Of each package that an extra brings, on any system, the hashes of all its files. Which file of torch is taken depends on
# where one installs: it has none, and nothing is there that only its builds for CUDA need.
locked = echo "torch; sys_platform == 'none'" | $(RELEASE)/bin/uv pip compile --quiet --upgrade --universal \
  --python-version 3.11.5 --generate-hashes --no-annotate --custom-compile-command "make lock" -c constraints.txt \
  --override /dev/stdin --no-emit-package torch --output-file $(2) pyproject.toml $(1)

release: $(DEV) $(RELEASE)/.made ## build what a release uploads, check it, and try it; it uploads nothing
	$(BIN)/python -m tests.tools.release

format: $(DEV) ## put code in form and take outputs out of notebooks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/jupyter nbconvert --clear-output --inplace notebooks/*.ipynb notebooks/roles/*.ipynb exercises/solutions/*.ipynb
	$(BIN)/python -m tests.tools.exercises

hooks: $(DEV) ## run the quick checks before each commit from now on
	$(BIN)/pre-commit install

clean: stop ## end the cluster, and remove the environment and what the chores left here
	rm -rf $(VENV) build dist .*_cache .hypothesis
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

$(LAB): $(BIN)/python $(SETUP)
	$(PIP) --require-hashes --no-deps -r locked/lab.txt
	$(PIP) -e .
	@touch $@

$(DEV): $(BIN)/python $(SETUP)
	$(PIP) --require-hashes --no-deps -r locked/dev.txt
	$(PIP) -e . torch
	@touch $@ $(LAB)

$(PEERS)/%/.made: tests/tools/peers/%.txt
	$(PYTHON) -m venv $(PEERS)/$*
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(PEERS)/$*/bin/python -m pip install --quiet --no-compile -r $<
	@touch $@

$(RELEASE)/.made: tests/tools/release.txt
	$(PYTHON) -m venv $(RELEASE)
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(RELEASE)/bin/python -m pip install --quiet --no-compile -r $<
	@touch $@

# Where there is no npm, or no registry, its test is left out, or fails where it must not be.
$(PYRIGHT)/.made: $(wildcard tests/tools/pyright/*.json)
	@mkdir -p $(PYRIGHT) && cp $^ $(PYRIGHT)
	@if npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(PYRIGHT); then touch $@; \
	else echo "Going on without pyright." >&2; fi

$(WORKSPACE): binder/workspace.json $(LAB)
	@$(BIN)/jupyter lab workspaces import --name clipper-lab $< >/dev/null
	@touch $@

# `install` says what is missing, and installs it where we may: $(call install,package,what needs it).
# RUNLEVEL=1 keeps Debian from starting what it installs.
install = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $(1)."; apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $(1) >/dev/null; \
	else echo "$(2) needs $(1). Install it (on Debian and Ubuntu: sudo apt install $(1)) and run make again." >&2; exit 1; fi

# $(call part,program,package,what it is for)
part = command -v $(1) >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { $(call install,$(2),$(3)); }

# Checked before the environment is made, because a `python3 -m venv` that fails leaves half of one behind.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Clipper Lab needs Python 3.11 or newer as '$(PYTHON)'. Where another one is installed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); $(call install,$$package,A virtual environment); }
	$(PYTHON) -m venv $(VENV)
	@# The one that comes with Python 3.11 takes three times as long to find out what to install.
	@$(PIP) --upgrade pip || echo "Going on with the pip that came with Python." >&2

# Parts that some tests and lessons need: installed where we may, and left out of the run where we may not.
parts:
	@command -v chromium-browser >/dev/null || $(call part,chromium,chromium,A browser)
	@$(call part,redis-server,redis-server,A stream)
	@$(call part,psql,postgresql,A database)
	@! command -v docker >/dev/null || { $(call part,docker-registry,docker-registry,A registry); }

curl:
	@command -v curl >/dev/null || { $(call install,curl,Lesson 01); }

wrk:
	@command -v wrk >/dev/null || { $(call install,wrk,Measuring); }
