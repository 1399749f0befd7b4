# Targets for people; `.ci/run` is what guards the project.

# All targets.
default:
    @just --list

# The main job: simulated scrapers write logs, and the report on them is shown.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# The tests.
test:
    cargo test

# Everything that guards the project.
ci:
    .ci/run

# Format, and mend what clippy can.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty

# The schema of the report and the tables of docs/sql.md, made anew from their types.
schema:
    DRAGLINE_BLESS=1 cargo test -p dragline-report -p dragline-insights -p dragline-analytics --test it -- in_the_docs a_comparison

# The table of the recorder's settings in docs/recorder.md, made anew from the code.
settings:
    DRAGLINE_BLESS=1 cargo test -p dragline-logging --test it the_settings_in_the_docs

# The table of field names in docs/reading.md, made anew from the code.
names:
    DRAGLINE_BLESS=1 cargo test -p dragline-ingest --lib the_names_in_the_docs

# The tables in docs/metrics.md, made anew from the code.
metrics:
    DRAGLINE_BLESS=1 cargo test -p dragline-metrics --test it the_tables_in_the_docs

# The tables of docs/alerting.md, made anew from the code.
alerting-docs:
    DRAGLINE_BLESS=1 cargo test -p dragline-alerting --test it -- in_the_docs

# The tables of docs/api.md, made anew from the code.
api-docs:
    DRAGLINE_BLESS=1 cargo test -p dragline-web --test it in_the_docs

# The pages over a fleet of 14 scrapers (or SCRAPERS), to look at; 666 is a hostile one.
pages SCRAPERS="14" SECONDS="600":
    DRAGLINE_WEB_SCRAPERS={{SCRAPERS}} DRAGLINE_WEB_SECONDS={{SECONDS}} cargo test -p dragline-web --test it serve -- --ignored --nocapture

# Times and sizes of the pages with 1,000 scrapers and 200 viewers.
pages-load:
    cargo test --release -p dragline-web --test it load -- --ignored --nocapture

# Random histories with gaps, restarts, crashes and failing channels: no notice lost or doubled, no false resolve.
alert-histories HISTORIES="10000":
    DRAGLINE_ALERT_HISTORIES={{HISTORIES}} cargo test --release -p dragline-alerting --test it no_notice -- --nocapture

# The service killed at random moments under load: afterwards it has counted every line once.
service-kills KILLS="100":
    KILLS={{KILLS}} cargo test --release -p dragline-cli --test it killed_at_any_moment -- --nocapture

# Senders killed at random moments over a bad link: afterwards the service has every line once.
ship-kills KILLS="100":
    KILLS={{KILLS}} cargo test --release -p dragline-cli --test it two_machines_over_a_bad_link -- --nocapture

# The sender against its model: files, link and service that do everything at random.
ship-schedules SCHEDULES="3000":
    DRAGLINE_SCHEDULES={{SCHEDULES}} cargo test --release -p dragline-ship --test it every_byte_once -- --nocapture

# Planted causes (us, the proxy, the site) in 200 fleets: how many are told, and how many rightly.
alert-causes:
    cargo test --release -p dragline-watch --test it planted_causes_in_two_hundred -- --ignored --nocapture

# Rules proposed from the first half of simulated fleets, judged on the second.
alert-suggestions FLEETS="40" FIRST="1":
    cargo build --release
    cargo build --release -p dragline-fleets
    python3 benches/fleets/suggested.py --dragline "${CARGO_TARGET_DIR:-target}/release/dragline" --fleets-bin "${CARGO_TARGET_DIR:-target}/release/fleets" --fleets {{FLEETS}} --first-seed {{FIRST}} --verbose

# The classifier's figures in docs/classification.md, measured anew.
figures:
    DRAGLINE_BLESS=1 cargo test -p dragline-classifier --test it both_halves

# The scanner beside DuckDB, ClickHouse and polars: the table of docs/benchmarks.md. About five minutes.
compare *ARGS:
    python3 benches/peers/compare.py {{ARGS}}

# Scrapy's, loguru's and tracing's logs beside Python and jq: a table of docs/benchmarks.md.
dialects *ARGS:
    python3 benches/peers/dialects.py {{ARGS}}

# What other writers' lines cost beside our own: a table of docs/benchmarks.md.
foreign *ARGS:
    python3 benches/peers/foreign.py {{ARGS}}

# The recorder against its peers: the tables of docs/benchmarks.md. Takes about ten minutes.
peers ROUNDS="5":
    cargo build --release -p dragline-benches --bin peer
    ${CARGO_TARGET_DIR:-target}/release/peer all {{ROUNDS}}
    ${CARGO_TARGET_DIR:-target}/release/peer pairs {{ROUNDS}}

# How well templates are found: grouping accuracy on a checkout of github.com/logpai/loghub.
loghub PATH:
    cargo run --release -p dragline-benches --bin loghub -- {{PATH}}

# The classifier against a plain loop, one RegexSet and Python's `re`.
classify:
    cargo bench -p dragline-benches --bench classify
    python3 benches/original_rules.py

# The recorder at full speed for ten minutes: memory, disk, and no line missing.
soak SECONDS="600":
    cargo run --release -p dragline-benches --bin soak -- {{SECONDS}}

# 200 processes killed while they write, rotate and compress.
kills KILLS="200":
    DRAGLINE_KILLS={{KILLS}} cargo test --release -p dragline-logging --test it kills -- --nocapture

# The follower against its model: random schedules of writing, rotating, packing, deleting and dying.
follow SCHEDULES="3000":
    DRAGLINE_SCHEDULES={{SCHEDULES}} cargo test -p dragline-ingest --test it every_line -- --nocapture

# Simulated fleets with and without planted incidents, and how often reports on them are right (docs/insights.md).
evaluate FLEETS="300" FIRST="1001":
    cargo build --release
    cargo run --release -p dragline-fleets -- evaluate --dragline "${CARGO_TARGET_DIR:-target}/release/dragline" --fleets {{FLEETS}} --first-seed {{FIRST}} --check --verbose

# The same fleets spread over the logs of other programs and over wordings drawn at random, one table more.
dialects-evaluate FLEETS="300" FIRST="1001":
    cargo build --release
    cargo run --release -p dragline-fleets -- evaluate --dragline "${CARGO_TARGET_DIR:-target}/release/dragline" --fleets {{FLEETS}} --first-seed {{FIRST}} --dialect all --verbose

# Crafted inputs against the command, judged from outside: no panic, no hang, no file touched that the run did not make.
attack RUNS="20000" SEED="1":
    cargo build --release
    cargo run --release -p dragline-attack -- --dragline "${CARGO_TARGET_DIR:-target}/release/dragline" --runs {{RUNS}} --seed {{SEED}}

# Inputs that once took time by the square of their size, at three sizes: a table of docs/benchmarks.md.
linear:
    cargo bench -p dragline-benches --bench linear

# The recipes of docs/recipes, run for real (needs Python, Node and their registries).
recipes:
    fixtures/make/recipes.sh

# The examples, run one after the other; their logs are in logs/.
examples:
    cargo run -p dragline --example threads
    cargo run -p dragline --example monitored
    cargo run -p dragline --example compose
    cargo run -p dragline --example rolling_writer
    cargo run -p dragline-examples --bin with-reqwest
    cargo run -p dragline-examples --bin with-opentelemetry
    cargo run -p dragline-examples --bin with-sentry

# The fixtures, made anew by running the real programs (needs Python, Node and their registries).
fixtures:
    fixtures/make/make.sh

# Licences, sources and bans of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources

# The property tests with many cases drawn anew; without a seed, one is drawn and shown.
properties CASES="20000" SEED=`date +%s`:
    PROPTEST_CASES={{CASES}} PROPTEST_RNG_SEED={{SEED}} cargo test --no-fail-fast

# A fuzz target on the stable compiler: just fuzz classify 600.
fuzz TARGET SECONDS="60":
    fuzz/run {{TARGET}} {{SECONDS}}
