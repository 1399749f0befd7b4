//! What every command needs, loaded once: configuration, rules, current time.

use dragline_classifier::RuleSet;
use dragline_schema::Timestamp;

use crate::args::{RulesArgs, WrongUsage};
use crate::config::Config;
use crate::times;

/// Settings of one command.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) rules: RuleSet,
    /// Current time, or `SOURCE_DATE_EPOCH`.
    pub(crate) now: Timestamp,
}

impl Session {
    /// Loads the given or found configuration and the rules.
    pub(crate) fn open(args: &RulesArgs) -> anyhow::Result<Self> {
        let config = Config::load(args.config.as_deref())?;
        Ok(Self {
            rules: rules(args, &config)?,
            config,
            now: times::now()?,
        })
    }
}

/// Loads the requested rules.
fn rules(args: &RulesArgs, config: &Config) -> anyhow::Result<RuleSet> {
    let files = [args.rules.as_slice(), &config.rules.files].concat();
    let rules = if args.no_shipped_rules {
        if files.is_empty() {
            let sentence = "--no-shipped-rules leaves no rules: name a rule file with --rules or in dragline.toml";
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
