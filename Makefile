# SPDX-License-Identifier: MIT
#
# A thin front to meson: the commands of the README. Each installs the Debian packages that it misses.
# Everything that is made lies below build/.

BUILD = build
DESTDIR =
PREFIX = /usr/local
ROUNDS = 200
FUZZ_SECONDS = 60

DEPS = tools/install-deps.sh
CONFIGURE = CC=gcc tools/configure $(BUILD) --prefix=$(PREFIX)
NINJA = ninja --quiet -C $(BUILD)

.PHONY: build help demo test bench check format fuzz test-kernels install clean

build:
	@$(DEPS) build
	@$(CONFIGURE)
	@$(NINJA)

help:
	@echo 'make               build the program and the library'
	@echo 'make demo          run a command in a throw-away container and show what happens'
	@echo 'make test          every test (STAGES="gcc integration" for some)'
	@echo 'make bench         compare with nsenter, crun, runc; what names cost; throughput (ROUNDS=$(ROUNDS))'
	@echo 'make check         static analysis'
	@echo 'make format        bring the C files into shape'
	@echo 'make fuzz          the fuzzers, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make test-kernels  the tests under older and newer kernels, in qemu'
	@echo 'make install       install, also into DESTDIR=, below PREFIX=$(PREFIX)'
	@echo 'make clean         remove build/'

demo: build
	@$(DEPS) demo
	@$(NINJA) tests/lib/sandbox
	@tools/demo $(BUILD)

test:
	@$(DEPS) build test engines fuzz
	@BUILD=$(BUILD) tests/run $(STAGES)

bench: build
	@$(DEPS) bench
	@$(NINJA) tests/bench/floor tests/bench/drive tests/bench/pty-relay tests/bench/flow \
		tests/bench/copy-loop tests/bench/forward-drive
	@tests/bench/run $(BUILD) --rounds $(ROUNDS) --json $(BUILD)/bench.json
	@tests/bench/lookup.py $(BUILD) --rounds $(ROUNDS) --json $(BUILD)/bench-lookup.json
	@tests/bench/pty.py $(BUILD) --json $(BUILD)/bench-pty.json
	@tests/bench/forward.py $(BUILD) --json $(BUILD)/bench-forward.json

check:
	@$(DEPS) build test check
	@tools/analyse

format:
	@$(DEPS) test
	@tools/format

fuzz:
	@$(DEPS) build fuzz
	@CC=clang tools/configure build/fuzz -Dfuzz=true -Dstatic-program=false \
		-Db_sanitize=address,undefined -Db_lundef=false
	@ninja --quiet -C build/fuzz all
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS)

test-kernels: build
	@$(DEPS) test kernels
	@$(NINJA) tests/lib/sandbox tests/lib/brood
	@tests/kernels/run $(BUILD)

install: build
	@DESTDIR=$(abspath $(DESTDIR)) meson install --quiet --no-rebuild -C $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean:
	@rm -rf $(BUILD)
