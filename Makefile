# Front door. `make demo` and `make test` set up everything they need: Python 3.11+, git and make are enough.
PYTHON ?= python3
BIN := .venv/bin
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1
export GX_ANALYTICS_ENABLED = false
unexport PYTHONDONTWRITEBYTECODE   # compiled modules are kept: else every process compiles thousands of files again, for 20 s of a core

.PHONY: demo test bench bench-scoring soak words lock clean
demo: .ready-run
	@$(BIN)/credit-review demo

# types are checked beside the tests; three workers, since some tests wait for servers, and each worker more imports the libraries and
# collects the tests once more: 20 s of processor time
test: .ready-dev
	@$(BIN)/ruff check --no-cache . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
	@$(BIN)/mypy & types=$$!; \
		$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder; tests=$$?; wait $$types && exit $$tests

bench: .ready-dev
	@failed=0; for one in bench audit_log policy policy_diff clicks; do $(BIN)/python -m benchmarks.$$one || failed=1; done; exit $$failed

# figures of docs/scoring.md; optbinning, a baseline, goes into an environment of its own beside the project's
bench-scoring: .ready-bench
	@.venv-bench/bin/python -W ignore -m benchmarks.scoring

.ready-bench: requirements/benchmarks.txt .venv/bin/uv
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-bench
	@$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --require-hashes -r requirements/benchmarks.txt
	@touch $@

soak: .ready-dev
	@$(BIN)/pytest -q -n 2 --dist load -m soak
	@$(BIN)/pytest -q -n 2 --dist loadfile --hypothesis-profile="make soak" -m "hypothesis and not soak"

# sentences that people read, for the catalogues; then translate what is new in credit_review/locale/*/LC_MESSAGES/credit_review.po
words: .ready-dev
	@$(BIN)/pybabel -q extract --no-location --sort-output -F pyproject.toml -k said:1 -k Said:1 -k said_many:1,2 -k marked:1 -k stage:1 -o .words.pot credit_review deployments expectations tasks
	@for one in credit_review/locale/*; do $(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --omit-header -i .words.pot -l $$(basename $$one) -o $$one/LC_MESSAGES/credit_review.po; done; rm -f .words.pot

lock: .venv/bin/uv
	$(BIN)/uv pip compile pyproject.toml --group build --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-header -o requirements/run.txt
	$(BIN)/uv pip compile pyproject.toml --group build --group dev --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-header -c requirements/run.txt -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml --group benchmarks --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-header -c requirements/run.txt -o requirements/benchmarks.txt

.venv/bin/uv:
	@echo "Setting up: an isolated environment in .venv (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 demo"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

# compiled here: where PYTHONDONTWRITEBYTECODE is set, every process would compile every library again, 8 s of processor time each
.ready-run: requirements/run.txt pyproject.toml .venv/bin/uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q credit_review deployments expectations flows tasks
	@touch $@

.ready-dev: requirements/dev.txt pyproject.toml .venv/bin/uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q credit_review deployments expectations flows tasks
	@touch $@ .ready-run

clean:
	rm -rf .venv .venv-bench .ready-* demo
