//! The arguments of the attribute.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token, parenthesized};

/// The arguments of the attribute.
pub(crate) struct Arguments {
    pub(crate) scraper: Expr,
    pub(crate) site: Expr,
    pub(crate) run_id: Option<Expr>,
    pub(crate) config: Option<Expr>,
    /// The function arguments to record.
    pub(crate) record: Vec<Ident>,
}

const KEYS: &str = "`scraper`, `site`, `run_id`, `config` and `record(…)`";

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut scraper, mut site, mut run_id) = (None, None, None);
        let (mut config, mut record) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "scraper" => set(&mut scraper, &key, value(input)?)?,
                "site" => set(&mut site, &key, value(input)?)?,
                "run_id" => set(&mut run_id, &key, value(input)?)?,
                "config" => set(&mut config, &key, value(input)?)?,
                "record" => set(&mut record, &key, names(input)?)?,
                other => {
                    let message = format!("there is no `{other}` here: the keys are {KEYS}");
                    return Err(syn::Error::new(key.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing = |key| {
            let message = format!(
                "`{key}` is missing: write #[monitored(scraper = \"shop\", site = \"shop.example.com\")]"
            );
            syn::Error::new(Span::call_site(), message)
        };
        Ok(Self {
            scraper: scraper.ok_or_else(|| missing("scraper"))?,
            site: site.ok_or_else(|| missing("site"))?,
            run_id,
            config,
            record: record.unwrap_or_default(),
        })
    }
}

fn set<T>(slot: &mut Option<T>, key: &Ident, value: T) -> syn::Result<()> {
    if slot.replace(value).is_some() {
        return Err(syn::Error::new(
            key.span(),
            format!("`{key}` is given twice"),
        ));
    }
    Ok(())
}

fn value(input: ParseStream<'_>) -> syn::Result<Expr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn names(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let inside;
    parenthesized!(inside in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&inside)?;
    Ok(names.into_iter().collect())
}
