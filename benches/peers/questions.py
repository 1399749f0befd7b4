"""One question over a directory of logs, asked of DuckDB, of ClickHouse (chdb) or of polars.

    python questions.py duckdb|chdb|polars DIRECTORY

Group by hour, scraper, site, run, event type, level, action, status, error type and category (by
the regular expressions of categories.json, first match wins); count, bytes, p50, p95, p99. Two
threads, explicit schemas. Prints the number of groups, the sum of their counts and of their bytes,
so that answers can be compared.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CATEGORIES = json.load(open(os.path.join(HERE, "categories.json")))
GROUP = "hour, scraper_id, site, run_id, event_type, level, action, status_code, error_type, category"


def duckdb(directory):
    import duckdb

    case = " ".join(
        f"WHEN regexp_matches(error_message, '{pattern.replace(chr(39), chr(39) * 2)}', 'i') THEN '{name}'"
        for name, pattern in CATEGORIES
    )
    columns = {
        "timestamp": "TIMESTAMP",
        "level": "VARCHAR",
        "scraper_id": "VARCHAR",
        "site": "VARCHAR",
        "run_id": "VARCHAR",
        "event_type": "VARCHAR",
        "action": "VARCHAR",
        "status_code": "USMALLINT",
        "response_time_ms": "DOUBLE",
        "bytes": "UBIGINT",
        "error_type": "VARCHAR",
        "error_message": "VARCHAR",
    }
    fields = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    con = duckdb.connect(config={"threads": 2})
    return con.sql(
        f"""
        SELECT count(*), sum(n), sum(bytes) FROM (
          SELECT date_trunc('hour', timestamp) AS hour, scraper_id, site, run_id, event_type, level, action, status_code,
                 error_type, CASE WHEN error_message IS NULL THEN NULL {case} ELSE 'unknown' END AS category,
                 count(*) AS n, sum(bytes) AS bytes,
                 approx_quantile(response_time_ms, [0.5, 0.95, 0.99]) AS quantiles
          FROM read_json('{directory}/*', format = 'newline_delimited', columns = {{{fields}}})
          GROUP BY ALL)
        """
    ).fetchall()[0]


def chdb(directory):
    import chdb

    case = ", ".join(
        f"match(error_message, '(?i){pattern.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'), '{name}'"
        for name, pattern in CATEGORIES
    )
    structure = (
        "timestamp String, level LowCardinality(String), scraper_id LowCardinality(String), "
        "site LowCardinality(String), run_id LowCardinality(String), event_type LowCardinality(String), "
        "action LowCardinality(String), status_code Nullable(UInt16), response_time_ms Nullable(Float64), "
        "bytes Nullable(UInt64), error_type LowCardinality(String), error_message String"
    )
    suffix = "jsonl.gz" if any(name.endswith(".gz") for name in os.listdir(directory)) else "jsonl"
    result = chdb.query(
        f"""
        SELECT count(), sum(n), sum(bytes) FROM (
          SELECT substring(timestamp, 1, 13) AS hour, scraper_id, site, run_id, event_type, level, action, status_code,
                 error_type, if(error_message = '', '', multiIf({case}, 'unknown')) AS category,
                 count() AS n, sum(bytes) AS bytes, quantilesDD(0.01, 0.5, 0.95, 0.99)(response_time_ms) AS quantiles
          FROM file('{directory}/*.{suffix}', JSONEachRow, '{structure}')
          GROUP BY {GROUP})
        SETTINGS max_threads = 2, input_format_skip_unknown_fields = 1
        """,
        "JSONCompact",
    )
    return [int(value) for value in json.loads(str(result))["data"][0]]


def polars(directory):
    import polars as pl

    schema = {
        "timestamp": pl.String,
        "level": pl.String,
        "scraper_id": pl.String,
        "site": pl.String,
        "run_id": pl.String,
        "event_type": pl.String,
        "action": pl.String,
        "status_code": pl.Int64,
        "response_time_ms": pl.Float64,
        "bytes": pl.Int64,
        "error_type": pl.String,
        "error_message": pl.String,
    }
    message = pl.col("error_message")
    category = pl.when(message.is_null()).then(None)
    for name, pattern in CATEGORIES:
        category = category.when(message.str.contains("(?i)" + pattern)).then(pl.lit(name))
    keys = [key for key in GROUP.split(", ") if key not in ("hour", "category")]
    paths = sorted(os.path.join(directory, name) for name in os.listdir(directory))
    time = pl.col("response_time_ms")
    return (
        pl.scan_ndjson(paths, schema=schema)
        .group_by(pl.col("timestamp").str.head(13).alias("hour"), *keys, category.otherwise(pl.lit("unknown")).alias("category"))
        .agg(pl.len().alias("n"), pl.col("bytes").sum(), *[time.quantile(q).alias(f"p{q}") for q in (0.5, 0.95, 0.99)])
        .select(pl.len(), pl.col("n").sum(), pl.col("bytes").sum())
        .collect(engine="streaming")
        .row(0)
    )


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    print(*{"duckdb": duckdb, "chdb": chdb, "polars": polars}[sys.argv[1]](sys.argv[2]))
