# Bare `make` lists the targets.
PYTHON ?= python3.11
PROBLEM ?=
DATA ?=
DB ?=
STORE ?= sqlite:///mlflow.db

export PG_JDBC ?= /usr/share/java/postgresql.jar

BIN := .venv/bin
# uv is used if it is installed, because it is much faster than pip
UV := $(shell command -v uv)
INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

PYTEST = $(BIN)/python -m pytest
# Slow folders start first. The tests of a file share servers, so they run on one worker.
PARALLEL = --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
TESTS = tests/e2e tests/integration tests/unit

.DEFAULT_GOAL := help
.PHONY: help run form server test test-unit test-spark coverage soak pictures bench lint lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.stamp  ## run all steps [PROBLEM=name-or-folder DATA=folder DB=file.db]
	$(BIN)/python pipeline.py --problem "$(PROBLEM)" --source "$(DATA)" --database "$(DB)"

form: .venv/run.stamp  ## start the form on port 8000 [PROBLEM=name-or-folder DB=file.db]
	$(BIN)/python -m form --problem "$(PROBLEM)" --database "$(DB)"

# The address is passed in the environment, so that ps does not show its password. `value` keeps a $ in it.
server: export MLFLOW_BACKEND_STORE_URI = $(value STORE)
server: .venv/run.stamp  ## start MLflow's server on port 5000 [STORE=URL FLAGS=…]
	@$(BIN)/mlflow server --artifacts-destination mlartifacts $(FLAGS)

test: .venv/dev.stamp .venv/browser.stamp  ## run all tests except those of Spark, in parallel
	$(PYTEST) $(PARALLEL) $(TESTS)

test-unit: .venv/dev.stamp  ## run the unit tests (15 seconds)
	$(PYTEST) tests/unit

test-spark: .venv/dev.stamp .venv/spark.stamp .venv/java.stamp  ## run the tests of score_spark.py on a cluster of two executors
	$(PYTEST) tests/spark

coverage: .venv/dev.stamp .venv/browser.stamp  ## run `make test` with line and branch coverage
	$(PYTEST) $(PARALLEL) --cov --cov-report=term $(TESTS)

soak: .venv/dev.stamp  ## run the fault tests with many more repetitions
	SOAK_CLIENT_KILLS=50 SOAK_SERVER_KILLS=10 SOAK_SHARING_KILLS=50 $(PYTEST) --timeout=0 \
		tests/e2e/test_soak.py tests/e2e/test_sharing.py
	SOAK_SWAPS=10 SOAK_SWAP_REQUESTS=10000 SOAK_FUZZ_REQUESTS=10000 SOAK_FUZZ_FILES=5000 $(PYTEST) --timeout=0 -s \
		tests/e2e/test_serve_swaps.py tests/integration/test_serve_fuzz.py \
		tests/integration/test_ingest_fuzz.py
	SOAK_GATE_SEEDS=1000 $(PYTEST) --timeout=0 -s tests/integration/test_first_champion.py

pictures: .venv/dev.stamp .venv/browser.stamp  ## take the pictures in docs/, after `make run`
	$(BIN)/python -m docs.pictures

bench: .venv/dev.stamp  ## run the benchmarks, write RESULTS.md (45 minutes) [DATA=folder]
	$(BIN)/python -m benchmarks --source "$(abspath $(DATA))"

lint: .venv/dev.stamp .venv/spark.stamp  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

lock: .venv/dev.stamp  ## pin requirements*.txt and conda.yaml [UPGRADE=--upgrade]
	$(BIN)/uv pip compile $(UPGRADE) --quiet --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(UPGRADE) --quiet --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile $(UPGRADE) --quiet --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" requirements-spark.in -o requirements-spark.txt
	sed '/- pip:$$/q' conda.yaml > conda.yaml.new
	sed -n 's/^[^#].*/      - "&"/p' requirements.txt >> conda.yaml.new
	mv conda.yaml.new conda.yaml

# The tests of the form need Chromium: an installed one, Debian's package, or Playwright's download.
.venv/browser.stamp: .venv/dev.stamp
	@command -v chromium || command -v google-chrome \
		|| { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -qq \
			&& apt-get install -y -qq chromium >/dev/null; } \
		|| $(BIN)/playwright install chromium \
		|| { echo "No browser was found or could be downloaded: install Chromium and try again."; exit 2; }
	touch $@

# The tests of score_spark.py need Java 17 and PostgreSQL's JDBC driver: installed ones, or Debian's packages.
.venv/java.stamp: .venv/spark.stamp
	@{ command -v java && test -e "$(PG_JDBC)"; } || { command -v apt-get >/dev/null \
		&& test "$$(id -u)" = 0 && apt-get update -qq \
		&& apt-get install -y -qq openjdk-17-jre-headless libpostgresql-jdbc-java >/dev/null; } \
		|| { echo "Java 17 or PostgreSQL's JDBC driver is missing: install both, and set PG_JDBC=/path/to/the.jar if it is not at $(PG_JDBC)."; exit 2; }
	touch $@

clean:  ## delete the databases, models and results in this folder
	rm -rf even_financial.db* mlflow.db* mlruns mlartifacts scores .coverage*

.venv/run.stamp: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11, or give its path with make PYTHON=/path/to/python3.11."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -r requirements.txt
	touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@

.venv/spark.stamp: .venv/run.stamp requirements-spark.txt
	$(INSTALL) -r requirements-spark.txt
	touch $@
