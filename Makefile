# A front door for Meson: installs what a build needs, builds, shows, tests, installs.
# `make help` says what there is.

BUILD = build
ASAN_BUILD = build-asan
FUZZ_BUILD = build-fuzz
COVERAGE_BUILD = build-coverage
prefix ?= /usr/local
DESTDIR ?=
# true: compiler warnings are errors
WERROR = false
# Sizes of the end-to-end tests, 1 being a gigabyte each way
SCALE = 1
ASAN_SCALE = 0.05
# How many end-to-end tests run at once; most of their time is waiting
E2E_JOBS = 3
# More arguments for pytest: make e2e PYTEST='-k ssh'
PYTEST =
# Inputs for each fuzz target, and which targets (all when empty)
FUZZ_RUNS = 10000000
FUZZ =
# Seconds of the soak with real processes
TIME = 1200
# Options of bench/bench.py. With any, the figures in doc/ stay as they are.
BENCH =
# Arguments of bench/matrix.py, with the same effect
MATRIX =
# Arguments of tests/e2e/netfaults.py, with the same effect
FAULTS =

MESON_TEST = meson test --no-rebuild --print-errorlogs
E2E_ARGUMENTS = -n $(E2E_JOBS) --dist loadfile $(PYTEST)
SANITIZERS = ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# One line for each step, and nothing of what make does between them
MAKEFLAGS += --no-print-directory
.SILENT:
.DEFAULT_GOAL = build

build: deps
	test -e $(BUILD)/build.ninja || { $(call configure,$(BUILD),-Dtests=false -Dprefix='$(prefix)'); }
	$(call compile,$(BUILD))
	test -x $(BUILD)/toxtun
	echo "built $(BUILD)/toxtun"

deps:
	tools/deps.sh build

run: build
	tools/deps.sh run
	/usr/bin/python3 -B tools/demo.py $(BUILD)/toxtun

test: unit e2e

# Both print their own summary and leave it as JUnit XML, which tools/count.py adds up.
unit: test-build
	rm -f $(BUILD)/meson-logs/testlog.junit.xml
	$(MESON_TEST) -C $(BUILD)

e2e: test-build
	TOXTUN_E2E_SCALE=$(SCALE) tests/e2e/run.py $(BUILD)/e2e.junit.xml $(E2E_ARGUMENTS)

test-build:
	tools/deps.sh test
	$(call configure,$(BUILD),-Dtests=true -Dwerror=$(WERROR))
	$(call compile,$(BUILD),all tests/e2e/loadgen)

check-asan:
	tools/deps.sh test
	$(call configure,$(ASAN_BUILD),-Dtests=true -Dwerror=$(WERROR) -Db_sanitize=address$(comma)undefined -Db_lundef=false)
	$(call compile,$(ASAN_BUILD),all tests/e2e/loadgen)
	rm -f $(ASAN_BUILD)/meson-logs/testlog.junit.xml
	$(SANITIZERS) $(MESON_TEST) -C $(ASAN_BUILD) -t 4
	$(SANITIZERS) TOXTUN=$(ASAN_BUILD)/toxtun TOXTUN_E2E_SCALE=$(ASAN_SCALE) \
		tests/e2e/run.py $(ASAN_BUILD)/e2e.junit.xml $(E2E_ARGUMENTS)

fuzz: fuzz-build
	tests/fuzz/fuzz.py $(FUZZ_BUILD) --runs $(FUZZ_RUNS) $(FUZZ)

# What was found new goes into the committed corpora, where the ordinary test run replays it.
fuzz-merge: fuzz-build
	tests/fuzz/fuzz.py $(FUZZ_BUILD) --merge $(FUZZ)

fuzz-build:
	tools/deps.sh fuzz
	CC=clang; export CC; $(call configure,$(FUZZ_BUILD),-Dfuzzer=true -Dtests=false \
		-Db_sanitize=address$(comma)undefined -Db_lundef=false)
	$(call compile,$(FUZZ_BUILD),fuzzers)

soak: test-build
	TT_SIM_SCENES=20000 nice $(BUILD)/tests/sim/test_faults_sim
	TT_SIM_SCENES=1 nice $(BUILD)/tests/sim/test_nomem_sim
	TT_SIM_HOURS=168 nice $(BUILD)/tests/sim/test_soak_sim
	tests/soak.py --seconds $(TIME)

coverage:
	tools/deps.sh test coverage
	$(call configure,$(COVERAGE_BUILD),-Dtests=true -Db_coverage=true)
	$(call compile,$(COVERAGE_BUILD),all)
	find $(COVERAGE_BUILD) -name '*.gcda' -delete
	$(MESON_TEST) -C $(COVERAGE_BUILD) --suite unit --suite sim --suite fuzz
	tools/coverage.py $(COVERAGE_BUILD)

# In a real browser; two of the packages come from the npm registry, pinned in web/package-lock.json
page-test: test-build
	tools/deps.sh page
	npm ci --prefix web --no-audit --no-fund --loglevel=error >/dev/null
	/usr/bin/python3 -B -m pytest -p no:cacheprovider $(PYTEST) tests/e2e/test_page.py tests/e2e/test_page_proxy.py

bench: test-build
	tools/deps.sh bench
	/usr/bin/python3 -B bench/bench.py $(or $(BENCH),--svg doc/bench.svg --page doc/performance.md)

matrix: test-build
	tools/deps.sh bench
	/usr/bin/python3 -B bench/matrix.py --toxtun $(BUILD)/toxtun \
		$(or $(MATRIX),--json $(BUILD)/matrix.json --page doc/performance.md)

hostile: test-build
	TOXTUN_HOSTILE_SPEED=0.5 /usr/bin/python3 -B -m pytest -p no:cacheprovider $(PYTEST) \
		tests/e2e/test_hostile.py

# As root: namespaces with NAT
faults: test-build
	/usr/bin/python3 -B tests/e2e/netfaults.py $(or $(FAULTS),--page doc/paths.md)

comma = ,
# configure DIRECTORY,OPTIONS: makes the build directory, or changes the options of one
define configure
meson setup $$(test ! -e $(1)/build.ninja || echo --reconfigure) $(1) $(2) >/dev/null || \
	{ cat $(1)/meson-logs/meson-log.txt >&2; exit 1; }
endef

# compile DIRECTORY,TARGETS: warnings and errors are all that is printed
define compile
out=$$(ninja --quiet -C $(1) $(2) 2>&1); code=$$?; \
	printf '%s\n' "$$out" | sed '/^ninja: no work to do/d; /^$$/d'; exit $$code
endef

install: build
	$(call configure,$(BUILD),-Dprefix='$(prefix)')
	$(call compile,$(BUILD))
	DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild --quiet
	echo "installed to $(DESTDIR)$(prefix)"

clean:
	rm -rf $(BUILD) $(ASAN_BUILD) $(FUZZ_BUILD) $(COVERAGE_BUILD)

help:
	echo 'make build        install missing build packages, build $(BUILD)/toxtun'
	echo 'make run          show a tunnel working on this machine (nothing leaves it)'
	echo 'make test         unit and end-to-end tests; WERROR=true, SCALE=0.1 for smaller transfers'
	echo 'make unit, e2e    one of them; PYTEST="-k ssh" chooses among the end-to-end tests, of which'
	echo '                  E2E_JOBS=$(E2E_JOBS) run at once'
	echo 'make check-asan   all tests under AddressSanitizer and UBSan, in $(ASAN_BUILD)/'
	echo 'make fuzz         libFuzzer on every parser and state machine, $(FUZZ_RUNS) inputs each, an hour or two;'
	echo '                  FUZZ_RUNS=100000 FUZZ="pair wire"; make fuzz-merge keeps what it found'
	echo 'make soak         20,000 scenes of faults, refused allocations, a week in virtual time, then'
	echo '                  real processes with kills and cuts for TIME=$(TIME) seconds'
	echo 'make coverage     line coverage of the layers without I/O; fails below 90 percent'
	echo 'make page-test    the statistics page, and the proxy, in headless Chromium (120 MB to install), a minute;'
	echo '                  screenshots in $(BUILD)/page/'
	echo 'make bench        toxtun beside direct TCP, ssh -L and kcptun, a quarter of an hour;'
	echo '                  BENCH="--quick --tools toxtun,ssh", bench/bench.py --help'
	echo 'make matrix       the same over links with loss, delay and small queues, an hour, as root;'
	echo '                  MATRIX="download --tools toxtun,bbr", bench/matrix.py --help'
	echo 'make faults       transfers between NATs, cut lines and killed relays, 20 minutes, as root;'
	echo '                  FAULTS="--transfers 60 --seed 1", tests/e2e/netfaults.py --help'
	echo 'make hostile      beside each attack an honest client keeps half of its speed; an idle machine'
	echo 'make install      to prefix=$(prefix), DESTDIR is respected'
	echo 'make deps         install missing build packages only'
	echo 'make clean        remove the build directories'

.PHONY: build deps run test unit e2e test-build check-asan fuzz fuzz-merge fuzz-build soak coverage \
	page-test bench matrix faults hostile install clean help
