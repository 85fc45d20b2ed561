# MobileLLM Lab: `make lab` opens the course, `make test` proves it. Each target prepares what it needs.
# On Windows use the pip commands in README.md.

PYTHON ?= python3
# One thread: on a shared machine more threads wait for each other (5 to 50 times slower, measured on two cores).
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet
READY := .venv/ready
PYTHONS := $(shell sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)".*/\1 \2/p' pyproject.toml)
OLDEST := $(word 1,$(PYTHONS))
BEYOND := $(word 2,$(PYTHONS))
TORCH := $(shell sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements.txt)
SETTINGS := .venv/share/jupyter/lab/settings
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab site test package browsers pictures bench tree lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

lab: $(READY)  ## open the course in JupyterLab
	@echo "lab: starting JupyterLab, stop it with Ctrl-C"
	@mkdir -p $(SETTINGS) && cp binder/overrides.json $(SETTINGS)
	@MOBILELLM_LAB_SITE=/static $(BIN)/jupyter lab $(ROOT) --log-level=WARN --ServerApp.root_dir="$(CURDIR)" \
		--ServerApp.extra_static_paths="$(CURDIR)/_build/html" --LabApp.default_url=/lab/tree/labs/README.md

site: $(READY)  ## build the website into _build/html
	@echo "site: building, a cell that fails or a warning is an error"
	@$(BIN)/jupyter-book build --quiet -n -W --keep-going .
	@echo "site: open _build/html/index.html"

test: $(READY)  ## run every test: labs, package, website in a real browser
	@echo "test: browser"
	@$(BIN)/python tests/browser.py
	@echo "test: style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "test: labs, each run from top to bottom; the website shows what they gave"
	@PYTHONPATH=book/_extensions $(BIN)/python -m pytest -q -n 2 --dist loadfile -p lab_nbval \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=600 --timeout=900 labs
	@echo "test: package, while the website is built (which keeps one core busy for a minute)"
	@$(MAKE) --no-print-directory --jobs=2 package site
	@echo "test: website"
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/site

package: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal --ignore=tests/site

browsers: site  ## before a release: every page of the website in Firefox and in WebKit
	@echo "browsers: Firefox and WebKit, one that cannot be driven here is named"
	@PYTHONPATH=tests $(BIN)/python -m release _build/html

pictures: $(READY)  ## take README's pictures of the panels anew, in a real JupyterLab
	@PYTHONPATH=tests $(BIN)/python tests/labs/pictures.py

bench: $(READY)  ## measure this machine beside the peers
	@echo "bench: one thread, please leave the machine alone"
	@$(BIN)/python -m benchmarks

tree: $(READY)  ## write the file trees of README.md and CONTRIBUTING.md
	@$(BIN)/python tests/layout/tree.py

lock: $(READY)  ## resolve pyproject.toml into requirements.txt (UPGRADE=--upgrade for the newest)
	@echo "lock: resolving for Linux, macOS and Windows, Python 3.11 and newer"
	@$(PIP) install uv
	@$(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 \
		--extra lab --extra book --extra test --annotation-style line \
		--custom-compile-command "make lock" --output-file requirements.txt pyproject.toml
	@! grep -iE '^(nvidia|cuda|triton)' requirements.txt

clean:  ## remove the environment and all that was built
	@echo "clean: removing .venv, _build and caches"
	@rm -rf .venv _build .pytest_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -prune -exec rm -rf {} +

# The environment is rebuilt when it is missing and brought up to date when the lock or the ranges change.
$(READY): requirements.txt pyproject.toml | $(BIN)/python
	@echo "environment: torch for the CPU, about 200 MB (1 of 3)"
	@$(PIP) install --no-deps --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu $(TORCH)
	@echo "environment: requirements.txt, about 400 MB (2 of 3)"
	@$(PIP) install --no-deps -r requirements.txt
	@echo "environment: this package (3 of 3)"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@found=$$($(BIN)/python -m pip check) || { \
		printf '%s\n' "environment: these packages do not fit together:" "$$found" \
			"Type make clean, then make lab. If it says so again, report it with these lines."; exit 1; }
	@$(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements >/dev/null 2>&1
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.$(OLDEST) to 3.$$(($(BEYOND) - 1)), or name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, $(OLDEST)) <= sys.version_info[:2] < (3, $(BEYOND)))' || { \
		newest=$$(($(BEYOND) - 1)); \
		echo "$$($(PYTHON) --version) cannot run the course: its packages are there for Python 3.$(OLDEST) to 3.$$newest."; \
		echo "Name one of these: make PYTHON=python3.$$newest"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		package=$$($(PYTHON) -c 'import sys; print("python3.%d-venv" % sys.version_info[1])'); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "environment: installing $$package"; \
			apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $$package >/dev/null; \
		else \
			echo "$(PYTHON) cannot make environments. On Debian or Ubuntu type: sudo apt-get install $$package"; exit 1; \
		fi; }
	@echo "environment: .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
