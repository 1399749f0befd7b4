//! Tests of the sampler and the book.
