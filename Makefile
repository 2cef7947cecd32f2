# make demo and make test are the two commands of the README; each sets everything up.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench

.PHONY: setup demo test fuzz torture docs lint bench bench-accuracy serve browser clean
.DEFAULT_GOAL := setup

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first that knows groups
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[heif,onnx,map]' --group dev
	touch $@

demo: $(READY)        ## the main job, on real images
	$(BIN)/python -m demo

# Temporary files in memory where that can be: the store flushes for every test.
test: export TMPDIR := $(shell [ -w /dev/shm ] && echo /dev/shm || echo $${TMPDIR:-/tmp})
test: $(READY) browser  ## every test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Half of them valid, half not; all of schemathesis' checks. Other ones each time: what is found is
# printed with the request that shows it.
EXAMPLES ?= 2000

fuzz: export TMPDIR := $(shell [ -w /dev/shm ] && echo /dev/shm || echo $${TMPDIR:-/tmp})
fuzz: $(READY)        ## requests made from the OpenAPI document: 2,000 an operation, half an hour
	HOLOTYPE_TEST_EXAMPLES=$$(($(EXAMPLES) / 2)) $(BIN)/python -m pytest -n 2 --timeout 7200 \
	  -k schemathesis tests/classify/service/test_openapi.py

torture: export TMPDIR := $(shell [ -w /dev/shm ] && echo /dev/shm || echo $${TMPDIR:-/tmp})
torture: $(READY)     ## kills, damaged galleries, damaged pictures, everything at once: half an hour
	$(BIN)/python -m benchmarks.torture.kills --kills 100
	$(BIN)/python -m benchmarks.torture.corruption --cases 300
	$(BIN)/python -m benchmarks.torture.pictures --count 5000
	HOLOTYPE_TEST_EXAMPLES=100 HOLOTYPE_TEST_SECONDS=60 $(BIN)/python -m pytest --timeout 7200 \
	  tests/classify/test_stateful.py tests/classify/test_everything_at_once.py

# Links that lead nowhere fail it (not with --quiet, which silences that too). Needs no network.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(READY)        ## the documents as a site, in build/docs
	$(BIN)/python docs/make.py
	$(BIN)/mkdocs build
	@echo build/docs/index.html

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# hnswlib is compiled on installation; nothing else needs it, so it is installed here only.
$(BENCH_READY): $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt --group bench
	touch $@

bench: $(BENCH_READY)  ## every measurement that needs no GPU
	$(BIN)/python -m benchmarks

SETS ?= ../shared/data

bench-accuracy: $(READY)  ## against the tutorial's classifiers, on the sets in SETS
	$(BIN)/python -m benchmarks.accuracy --sets $(SETS)

serve: $(READY)       ## the page, with the demo gallery
	$(BIN)/python -m demo --serve

# The page's tests drive a real browser. Where none can be installed they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo "no chromium: the browser tests will be skipped (install the package 'chromium')"

clean:
	rm -rf $(VENV) .demo .bench
