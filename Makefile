# The front door. Meson does the building (meson.build); here are the words.
#
#   make            build: programs in build/bin
#   make demo       a mirrored pool, damaged and repaired before your eyes
#   make check      unit and functional tests; last line: N passed, N failed, N skipped
#   make check-long the slow tier as well (the real kernel module in an emulator)
#   make bench      speed against zfs-fuse and ext4 on the same disk
#   make asan tsan  the whole suite under AddressSanitizer+UBSan, ThreadSanitizer
#   make fuzz       the fuzz targets, FUZZ_SECONDS each
#   make deps       install missing Debian packages (named in tools/debian-packages)
#   make install    into DESTDIR and PREFIX
#   make format clean

PREFIX       ?= /usr/local
DESTDIR      ?=
JOBS         ?= $(shell nproc)
FUZZ_SECONDS ?= 60
# One directory per build; build/bin has links into the one built last by `make`.
BUILD        ?= build/main

# Names under which the one program answers (src/cmd); those it knows are linked.
APPLETS = tarnd zpool zfs zdb

all: deps build

build: $(BUILD)/build.ninja
	ninja -C $(BUILD) -j $(JOBS)
	tools/link-applets $(BUILD) build/bin $(APPLETS)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

deps:
	@tools/install-deps

demo: all
	@tools/demo

check: deps
	@tests/run --build $(BUILD) --jobs $(JOBS)

check-long: deps
	@tests/run --build $(BUILD) --jobs $(JOBS) --long

bench: all
	@tools/install-deps bench
	@bench/run

# The sanitizers need the programs whole: no undefined-symbol check at link time.
asan: deps
	@tests/run --build build/asan --jobs $(JOBS) --sanitize address,undefined

tsan: deps
	@tests/run --build build/tsan --jobs $(JOBS) --sanitize thread

fuzz: deps
	@tools/install-deps fuzz
	@tests/run-fuzz --seconds $(FUZZ_SECONDS) --jobs $(JOBS)

format:
	@tools/install-deps format
	git ls-files -- 'src/*.[ch]' 'include/*.h' 'tests/*.[ch]' | xargs -r clang-format -i

install: build
	@tools/install-files "$(DESTDIR)" "$(PREFIX)" build/bin $(APPLETS)

clean:
	rm -rf $(BUILD) build/bin build/asan build/tsan build/fuzz

.PHONY: all build deps demo check check-long bench asan tsan fuzz format install clean
