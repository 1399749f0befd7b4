//! Proposes rules.
