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

# The schema of the report, made anew from its types.
schema:
    DRAGLINE_BLESS=1 cargo test -p dragline-analytics --test it the_schema_in_the_docs_is_that_of_the_types

# The fixtures, made anew by running the real programs (needs Python, Node and their registries).
fixtures:
    fixtures/make/make.sh

# Licences, sources and bans of the dependencies (needs cargo-deny).
deny:
    cargo deny check licenses bans sources
