//! The function inside its run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Error, FnArg, ItemFn, Pat, ReturnType, Type, TypeParamBound};

use crate::arguments::Arguments;

pub(crate) fn expand(arguments: &Arguments, function: ItemFn) -> syn::Result<TokenStream> {
    check(arguments, &function)?;
    let Arguments {
        scraper,
        site,
        run_id,
        record,
    } = arguments;
    let ItemFn {
        mut attrs,
        vis,
        sig,
        block,
    } = function;
    // `#![allow(…)]` in the body stands before the function now.
    for attribute in &mut attrs {
        attribute.style = syn::AttrStyle::Outer;
    }
    let name = sig.ident.unraw().to_string();
    let names = record.iter().map(|name| name.unraw().to_string());
    let run_id = run_id.as_ref().map(|id| quote!(.run_id(#id)));
    let start = quote! {
        let __run = ::dragline::Run::builder(#scraper, #site)
            .function(#name, &[#((#names, ::std::format!("{:?}", #record))),*])
            #run_id
            .start();
    };
    // The value decides what it says of the run: the most specific of these traits takes it.
    let end = quote! {
        {
            #[allow(unused_imports)]
            use ::dragline::monitor::{
                EndByDebug as _, EndByDisplay as _, EndByError as _, EndByErrorLike as _,
                EndByLocalErrorLike as _, EndByResult as _, EndByValue as _,
            };
            (&&&&&&&::dragline::monitor::End(&__result)).end(&__run, #name);
        }
        __result
    };
    let body = if sig.asyncness.is_some() {
        let result = with_type(&sig.output, &quote!(__run.within(async move #block).await));
        quote!(#result #end)
    } else {
        let returns = closure_type(&sig.output);
        quote! {
            #[allow(clippy::redundant_closure_call)]
            let __result = __run.in_scope(move || #returns #block);
            #end
        }
    };
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            #start
            #body
        }
    })
}

/// What cannot be wrapped is refused where it stands.
fn check(arguments: &Arguments, function: &ItemFn) -> syn::Result<()> {
    if let Some(constant) = function.sig.constness {
        return Err(Error::new_spanned(
            constant,
            "a `const fn` cannot be monitored: a run writes logs",
        ));
    }
    if function.sig.asyncness.is_none() && returns_future(&function.sig.output) {
        return Err(Error::new_spanned(
            &function.sig.output,
            "this function returns a future, and the run would end before it: make it an `async fn`, \
             or put the future into `Run::scope`",
        ));
    }
    if let ReturnType::Type(_, kind) = &function.sig.output
        && matches!(**kind, Type::Never(_))
    {
        return Err(Error::new_spanned(
            kind,
            "this function never returns, so that its run would have no end: start a `Run` inside it",
        ));
    }
    let names: Vec<String> = function
        .sig
        .inputs
        .iter()
        .filter_map(argument_name)
        .collect();
    for name in &arguments.record {
        if !names.contains(&name.to_string()) {
            return Err(Error::new(
                name.span(),
                format!("`{}` has no argument `{name}`", function.sig.ident),
            ));
        }
    }
    Ok(())
}

fn argument_name(argument: &FnArg) -> Option<String> {
    match argument {
        FnArg::Receiver(_) => Some("self".to_owned()),
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(name) => Some(name.ident.to_string()),
            _ => None,
        },
    }
}

/// `impl Future` or `Pin<Box<dyn Future>>`, as the macros for async traits make them.
fn returns_future(output: &ReturnType) -> bool {
    fn names_future<'b>(bounds: impl IntoIterator<Item = &'b TypeParamBound>) -> bool {
        bounds.into_iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                let last = bound.path.segments.last();
                last.is_some_and(|segment| segment.ident == "Future")
            }
            _ => false,
        })
    }
    fn is_future(kind: &Type) -> bool {
        match kind {
            Type::ImplTrait(kind) => names_future(&kind.bounds),
            Type::TraitObject(kind) => names_future(&kind.bounds),
            Type::Path(path) => path.path.segments.iter().any(|segment| {
                let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
                    return false;
                };
                let is_box = segment.ident == "Pin" || segment.ident == "Box";
                is_box
                    && arguments.args.iter().any(|argument| {
                        matches!(argument, syn::GenericArgument::Type(inner) if is_future(inner))
                    })
            }),
            _ => false,
        }
    }
    matches!(output, ReturnType::Type(_, kind) if is_future(kind))
}

/// Whether the type can be written where no `impl` may stand.
fn can_be_named(kind: &Type) -> bool {
    let text = quote!(#kind).to_string();
    !text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == "impl")
        && !matches!(kind, Type::Never(_))
}

/// `-> T` for the closure, where that can be said.
fn closure_type(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Type(arrow, kind) if can_be_named(kind) => quote!(#arrow #kind),
        _ => TokenStream::new(),
    }
}

/// `let __result: T = …;`, the type where it can be said: it is what `?` in the body goes by.
fn with_type(output: &ReturnType, value: &TokenStream) -> TokenStream {
    match output {
        ReturnType::Type(_, kind) if can_be_named(kind) => quote!(let __result: #kind = #value;),
        ReturnType::Type(..) => quote!(let __result = #value;),
        ReturnType::Default => quote!(let __result: () = #value;),
    }
}
