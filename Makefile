# SPDX-License-Identifier: BSD-3-Clause
# A thin front of meson and ninja. `make demo` and `make test` need nothing but Debian 12:
# what is missing of packaging/packages*.txt they install.

BUILD ?= build
BUILD_SANITIZE ?= build-asan
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
export BUILD BUILD_SANITIZE JOBS

all: $(BUILD)/build.ninja
	@ninja -j$(JOBS) -C $(BUILD)

help:
	@echo "make             build into $(BUILD)/"
	@echo "make demo        two tenants with the same addresses, step by step (root)"
	@echo "make test        every test (root); tests/run --help runs some of them"
	@echo "make bench       measure, with peers side by side (root)"
	@echo "make fuzz        each fuzz harness for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make install     into PREFIX=$(PREFIX), below DESTDIR; make uninstall"
	@echo "make format      clang-format of the whole tree"
	@echo "make packages    install the Debian packages that are missing"
	@echo "make clean       remove the build folders"

$(BUILD)/build.ninja: | packages
	@meson setup $(BUILD) --prefix=$(PREFIX) >/dev/null

demo: all
	@examples/demo.sh

test: packages-test
	@tests/run

fuzz: packages-test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

bench: all
	@packaging/install-packages packaging/packages-test.txt packaging/packages-bench.txt
	@bench/run

install: all
	@meson install -C $(BUILD) --no-rebuild

uninstall:
	@ninja -C $(BUILD) uninstall

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

packages:
	@packaging/install-packages packaging/packages.txt

packages-test:
	@packaging/install-packages packaging/packages.txt packaging/packages-test.txt

clean:
	@rm -rf $(BUILD) $(BUILD_SANITIZE)

.PHONY: all help demo test fuzz bench install uninstall format packages packages-test clean
