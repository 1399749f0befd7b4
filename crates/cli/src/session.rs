//! What a command works with, loaded once: the configuration, the rules, the clock.

use dragline_classifier::RuleSet;
use dragline_schema::Timestamp;

use crate::args::{RulesArgs, WrongUsage};
use crate::config::Config;
use crate::times;

/// One command's settings.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) rules: RuleSet,
    /// The time that it takes for now.
    pub(crate) now: Timestamp,
}

impl Session {
    /// Loads what was named, or found.
    pub(crate) fn open(args: &RulesArgs) -> anyhow::Result<Self> {
        let config = Config::load(args.config.as_deref())?;
        Ok(Self {
            rules: rules(args, &config)?,
            config,
            now: times::now()?,
        })
    }
}

/// The rules that were asked for.
fn rules(args: &RulesArgs, config: &Config) -> anyhow::Result<RuleSet> {
    let files = [args.rules.as_slice(), &config.rules.files].concat();
    let rules = if args.no_shipped_rules {
        if files.is_empty() {
            let sentence = "no rules are left without the shipped ones: name a file with --rules or in dragline.toml";
            return Err(WrongUsage::new(sentence).into());
        }
        RuleSet::from_files(&files)
    } else if files.is_empty() {
        Ok(RuleSet::shipped())
    } else {
        RuleSet::shipped_and(&files)
    };
    let rules = rules.map_err(|error| WrongUsage::of(&error.into()))?;
    Ok(rules.with_context(config.context()))
}
