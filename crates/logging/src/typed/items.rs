//! The events of items: products and articles.

use std::time::Duration;

use dragline_schema::ProductAction;
use tracing::Level;

use super::{TARGET, json_array, milliseconds};
use crate::core::RunCore;

/// Builder for the event of a product that was found, stored or failed.
#[must_use = "the product is recorded by `log`"]
#[derive(Debug)]
pub struct ProductEvent<'r, I = &'r str> {
    product_id: I,
    fields: ProductFields<'r>,
}

/// Everything but the id.
#[derive(Debug)]
struct ProductFields<'r> {
    run: &'r RunCore,
    url: Option<&'r str>,
    price: Option<f64>,
    missing: Option<String>,
}

impl<'r, I: AsRef<str>> ProductEvent<'r, I> {
    pub(crate) fn new(run: &'r RunCore, product_id: I) -> Self {
        let fields = ProductFields {
            run,
            url: None,
            price: None,
            missing: None,
        };
        Self { product_id, fields }
    }

    /// Sets the URL of the product's page.
    pub fn url(mut self, url: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.url = Some(url.as_ref());
        self
    }

    /// Sets the price, in the site's currency.
    pub fn price(mut self, price: f64) -> Self {
        self.fields.price = Some(price);
        self
    }

    /// Sets the names of the fields that were empty.
    pub fn fields_missing(mut self, fields: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.fields.missing = Some(json_array(fields));
        self
    }

    /// Records the action, at INFO or, if it failed, at WARN.
    pub fn log(self, action: ProductAction) {
        self.fields.log(self.product_id.as_ref(), action);
    }
}

impl ProductFields<'_> {
    fn log(&self, product_id: &str, action: ProductAction) {
        self.run.stats.product(action);
        macro_rules! at {
            ($level:expr) => {
                log!(
                    self.run,
                    $level,
                    "product_processed",
                    action = action.as_str(),
                    product_id = product_id,
                    url = self.url,
                    price = self.price,
                    fields_missing = self.missing.as_deref(),
                )
            };
        }
        if action == ProductAction::Failed {
            at!(Level::WARN);
        } else {
            at!(Level::INFO);
        }
    }
}

/// Builder for the event of a stored article.
#[must_use = "the article is recorded by `log`"]
#[derive(Debug)]
pub struct ArticleEvent<'r, I = &'r str> {
    article_id: I,
    fields: ArticleFields<'r>,
}

/// Everything but the id.
#[derive(Debug)]
struct ArticleFields<'r> {
    run: &'r RunCore,
    url: Option<&'r str>,
    word_count: Option<u64>,
    language: Option<&'r str>,
    processing: Option<Duration>,
    missing: Option<String>,
}

impl<'r, I: AsRef<str>> ArticleEvent<'r, I> {
    pub(crate) fn new(run: &'r RunCore, article_id: I) -> Self {
        let fields = ArticleFields {
            run,
            url: None,
            word_count: None,
            language: None,
            processing: None,
            missing: None,
        };
        Self { article_id, fields }
    }

    /// Sets the URL of the article's page.
    pub fn url(mut self, url: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.url = Some(url.as_ref());
        self
    }

    /// Sets the number of words in the text.
    pub fn word_count(mut self, words: u64) -> Self {
        self.fields.word_count = Some(words);
        self
    }

    /// Sets the language, as a code such as `en`.
    pub fn language(mut self, language: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.language = Some(language.as_ref());
        self
    }

    /// Sets the time from the page to storage.
    pub fn processing_time(mut self, time: Duration) -> Self {
        self.fields.processing = Some(time);
        self
    }

    /// Sets the names of the fields that were empty.
    pub fn fields_missing(mut self, fields: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.fields.missing = Some(json_array(fields));
        self
    }

    /// Records the stored article.
    pub fn log(self) {
        self.fields.log(self.article_id.as_ref());
    }
}

impl ArticleFields<'_> {
    fn log(&self, article_id: &str) {
        self.run.stats.article();
        log!(
            self.run,
            Level::INFO,
            "article_stored",
            article_id = article_id,
            url = self.url,
            word_count = self.word_count,
            language = self.language,
            processing_time_ms = self.processing.map(milliseconds),
            fields_missing = self.missing.as_deref(),
        );
    }
}
