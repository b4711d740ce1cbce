# SPDX-License-Identifier: Apache-2.0
# make demo   text detection over four local boards, from a fresh checkout
# make test   all tests, from a fresh checkout
# make docs   the documentation as a site, in site/
# make arm    counts what networks cost on ARM boards, beside other engines: benchmarks/ARM.md
# make lint   style and types of Python, style of C++
# make tidy   clang-tidy over the native runtime and its tests
# make sanitize  the native runtime's tests under AddressSanitizer, UBSan and ThreadSanitizer; damaged input
# make faults  as many random faults of boards, links and hosts as FAULTS says, on a testbed: needs root
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# root has all that counting needs; for others these tests are skipped where it is missing
MUST_COUNT := $(if $(filter 0,$(shell id -u)),--require-counting)
# files of tests that run at once; the boards of each want cores, too
WORKERS ?= 2
FAULTS ?= 1000
SEED ?= 0
CPP := $(wildcard flexpie_tvm/*.cc flexpie_tvm/*.h tests/cpp/* tests/fuzz/*.cc python/flexpie_tvm/lab/counting/*.[ch])

.PHONY: demo test docs arm lint tidy sanitize faults clean

demo: $(STAMP)
	$(BIN)/flexpie demo --output demo

test: $(STAMP) lint
	if command -v qemu-aarch64-static >/dev/null; then $(BIN)/flexpie testbed prepare; fi
	$(BIN)/python -m pytest $(MUST_COUNT) -n $(WORKERS) --dist loadfile

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

arm: $(STAMP)
	$(BIN)/python benchmarks/arm.py --save

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/clang-format --dry-run --Werror $(CPP)

tidy: $(STAMP)
	cmake -S . -B build/tidy -DPython3_EXECUTABLE=$(abspath $(BIN)/python) \
	  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DFLEXPIE_TESTS=ON -DFLEXPIE_FUZZ=ON >/dev/null
	$(BIN)/python $(BIN)/run-clang-tidy.py -quiet -p build/tidy -clang-tidy-binary $(BIN)/clang-tidy -j $(WORKERS)

$(STAMP): pyproject.toml setup.py CMakeLists.txt tools/system_packages.sh $(wildcard flexpie_tvm/*.cc flexpie_tvm/*.h cmake/*)
	sh tools/system_packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "setuptools>=70" wheel "xtc-tvm-python-bindings==0.19.0.12"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[tvm,demo,test,docs]"
	touch $(STAMP)

sanitize: $(STAMP)
	sh tools/sanitize.sh $(abspath $(BIN)/python)

faults: $(STAMP)
	$(BIN)/python -m tests.faults --faults $(FAULTS) --seed $(SEED) --results faults.jsonl

clean:
	rm -rf $(VENV) build demo site python/flexpie_tvm/native
