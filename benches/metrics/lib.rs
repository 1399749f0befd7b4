//! Nothing: the package has a benchmark only. It stands apart from `dragline-benches`, so that measuring the
//! metrics does not compile polars.
