//! `dragline map`: proposes entries for messages that the reader does not understand.

use dragline_ingest::message_pattern;
use dragline_report::render;
use dragline_rollup::UnreadForm;
use serde_json::{Value, json};

use crate::args::{Format, MapCommand, ReadArgs, WrongUsage};
use crate::output;
use crate::session::Session;

/// `dragline map …`
pub(crate) fn map(command: &MapCommand) -> anyhow::Result<()> {
    let MapCommand::Suggest { read, limit } = command;
    suggest(read, *limit)
}

/// `dragline map suggest`
fn suggest(args: &ReadArgs, limit: usize) -> anyhow::Result<()> {
    if !matches!(args.output.format(), Format::Text | Format::Json) {
        let sentence = "map suggest supports only --format text (TOML) and --format json";
        return Err(WrongUsage::new(sentence).into());
    }
    let session = Session::open(&args.input.rules)?;
    let finished = super::read::finished(&session, args)?;
    let entries: Vec<Entry<'_>> = finished
        .unread
        .iter()
        .filter_map(Entry::of)
        .take(limit)
        .collect();
    if args.output.format() == Format::Json {
        let all: Vec<Value> = entries.iter().map(Entry::to_json).collect();
        return output::write_json(args.output.output.as_deref(), &all);
    }
    if entries.is_empty() {
        output::tell("no entry to propose: every message that was examined is understood");
        return Ok(());
    }
    let toml: Vec<String> = entries.iter().map(Entry::to_toml).collect();
    // Samples are text from logs.
    let lines = toml.join("\n");
    let lines = lines.split('\n').map(render::clean).collect::<Vec<_>>();
    output::save(args.output.output.as_deref(), &lines.join("\n"))
}

/// A form of messages and the pattern that matches them.
struct Entry<'f> {
    form: &'f UnreadForm,
    pattern: String,
    sample: &'f str,
    place: String,
}

impl<'f> Entry<'f> {
    fn of(form: &'f UnreadForm) -> Option<Self> {
        let (at, sample) = form.sample.as_ref()?;
        Some(Self {
            form,
            pattern: message_pattern(sample)?,
            sample,
            place: format!("{}:{}", at.path, at.line),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "message": self.pattern,
            "lines": self.form.lines,
            "lines_with_url": self.form.with_url,
            "sample": self.sample,
            "at": self.place,
        })
    }

    fn to_toml(&self) -> String {
        let about = if self.form.with_url == self.form.lines {
            ""
        } else {
            "about "
        };
        // Only a basic string can hold any pattern.
        let pattern = toml::Value::String(self.pattern.clone());
        format!(
            "# {about}{} lines, first at {}:\n#   {}\n[[map.events]]\nmessage = {pattern}\nis = \"log\"  # or request, item, item_failed, error\n",
            self.form.lines,
            self.place,
            self.sample.replace('\n', " "),
        )
    }
}
