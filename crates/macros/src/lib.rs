//! `#[monitored]`: a function that is a run of a scraper.
//!
//! The macro leaves the function's signature alone and puts its body inside a run: started before,
//! entered while it works, ended by what it returns. What "ended by" means is no matter of syntax:
//! the expansion asks the value itself, so that any alias of `Result`, any error and no error at all
//! are understood. It names nothing but `::dragline`, whose hidden module `monitor` does the work;
//! use it as `#[dragline::monitored]`. The tests are there.
//!
//! ```
//! #[dragline::monitored(scraper = "shop", site = "shop.example.com")]
//! fn scrape(price: &str) -> Result<f64, std::num::ParseFloatError> {
//!     tracing::info!("carries the run");
//!     price.parse()
//! }
//!
//! assert_eq!(scrape("12.5"), Ok(12.5)); // a run that succeeds
//! assert!(scrape("free").is_err()); // and one that fails, with the error recorded
//! ```

mod arguments;
mod expand;

use proc_macro::TokenStream;

/// Makes every call of the function a run of a scraper.
///
/// ```
/// #[dragline::monitored(scraper = "shop", site = base, record(pages))]
/// async fn scrape(base: &str, pages: u32) -> Result<u32, std::io::Error> {
///     dragline::Run::current().request(base).status(200).log();
///     Ok(pages)
/// }
/// ```
///
/// - `scraper = …` and `site = …`: literals, or any expression of the function's arguments that
///   becomes a `String`.
/// - `run_id = …`: the run's id; by default a new one.
/// - `record(a, b)`: arguments to be recorded in the run's `scraper_start`, by their `Debug`. The
///   function's name is recorded always.
///
/// The function may be sync or async, a method, generic. Inside it plain `tracing` events carry the
/// run, and `Run::current()` is its handle. The run ends as a success when the function returns; as
/// failed, with the error recorded, when it returns an `Err`; as panicked when it panics; as cancelled
/// when its future is dropped before it is done.
#[proc_macro_attribute]
pub fn monitored(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as arguments::Arguments);
    let function = syn::parse_macro_input!(function as syn::ItemFn);
    expand::expand(&arguments, function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
