# `make help` lists the targets. Needs only git, make and Python 3.11+ with venv. The requirements name every package, so
# pip is told --no-deps: an older pip given an extra (coverage[toml]) would go past the pin to a newer release and stop.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
TESTS := $(BIN)/python -m pytest -n 2 --dist worksteal

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt -r requirements/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

setup: .venv/dev ## make the virtual environment with everything pinned

demo: .venv/run ## sign 25 sample letters and watch them reach 11 offices, all on this machine
	@$(BIN)/lettershop demo

test: .venv/dev ## run every test but those of `make nights` and `make cannon`
	$(TESTS)

# Where the rooms with a floor are tested. Coverage makes a test half as slow again, so that it watches these alone, and
# each once: on SQLite. What the rest runs as child processes it would not see at all. pyproject.toml names their code.
ROOMS := $(addprefix tests/unit/,domain rounds ledger delivery pacing) $(addprefix tests/integration/,rounds ledger delivery pacing schedule intake)

cover: .venv/dev # every test once, those of the rooms with coverage
	$(BIN)/coverage erase
	$(TESTS) --cov --cov-report= -k "not postgresql" $(ROOMS)
	$(BIN)/coverage report --fail-under=90
	$(TESTS) -k postgresql $(ROOMS)
	$(TESTS) $(addprefix --ignore=,$(ROOMS))

lint: .venv/dev ## ruff, format, mypy --strict, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

config: .venv/dev ## the sample home passes its own check; generated docs are current
	$(BIN)/lettershop --home . check
	$(BIN)/python docs/generate.py --check

check: lint config cover ## everything CI runs, `make test` with coverage included

words: .venv/dev ## bring the catalogues of the pages up to date with what templates and modules say
	@mkdir -p var
	$(BIN)/pybabel -q extract -F worker/web/locale/babel.cfg --add-location file --sort-output --width 120 --project lettershop -o var/web.pot worker/web
	$(BIN)/pybabel -q update -D web -i var/web.pot -d worker/web/locale --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 120

screenshots: .venv/dev ## take the pictures of docs/screenshots from the running product (needs chromium)
	$(BIN)/python -m docs.screenshots

nights: .venv/dev ## run the tests that keep a whole stack under trouble for minutes
	$(TESTS) -m nights

cannon: .venv/dev ## send 10,000 forms at one victim's address, in two to three minutes
	POSTS=10000 $(BIN)/python -m pytest tests/acceptance/web/test_mail_cannon.py

bench: .venv/dev ## print one JSON line per benchmark
	$(BIN)/python bench/rendering.py
	$(BIN)/python bench/throughput.py
	$(BIN)/python -m bench.form
	$(BIN)/python -m bench.sendout
	$(BIN)/python -m bench.status
	$(BIN)/python -m bench.streams

lock: ## pin the dependencies anew (needs uv on PATH)
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q requirements/build.in -o requirements/build.txt
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q requirements/run.in -o requirements/run.txt
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q requirements/dev.in -o requirements/dev.txt

clean: ## remove what make made
	rm -rf .venv dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help setup demo test cover lint config words screenshots cannon nights check bench lock clean
