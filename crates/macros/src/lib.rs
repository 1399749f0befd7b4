//! `#[monitored]` makes a function a run of a scraper.
//!
//! The macro leaves the function's signature unchanged and wraps its body in a run. The run starts before
//! the body, is entered while the body executes, and ends according to the return value. The type of the
//! value decides how the run ends, not the syntax of the return type, so aliases of `Result`, all error
//! types and plain values work. The expansion refers only to `::dragline`, whose hidden module `monitor`
//! contains the logic. Use the macro as `#[dragline::monitored]`; its tests are in that crate.
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
/// - `scraper = …` and `site = …`: literals, or any expression over the function's arguments that
///   converts into a `String`.
/// - `run_id = …`: the run's id. Default: a new id.
/// - `config = …`: the run's configuration, any value that serialises to an object. It is recorded in the
///   run's `scraper_start`.
/// - `record(a, b)`: arguments to record in the run's `scraper_start`, in their `Debug` form. The
///   function name is always recorded.
///
/// The function may be sync or async, a method or generic. Inside it, plain `tracing` events carry the
/// run, and `Run::current()` returns its handle. The run ends as `success` when the function returns, as
/// `failed` with the error recorded when it returns an `Err`, as `panicked` when it panics, and as
/// `cancelled` when its future is dropped before it completes.
#[proc_macro_attribute]
pub fn monitored(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as arguments::Arguments);
    let function = syn::parse_macro_input!(function as syn::ItemFn);
    expand::expand(&arguments, function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
