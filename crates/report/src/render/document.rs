//! The document that all output formats render.

/// A document: blocks from top to bottom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// Blocks, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A block of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// The title.
    Title(String),
    /// A section heading.
    Heading(String),
    /// One or more sentences, in a tone.
    Text(Tone, String),
    /// A numbered list; each point has lines below it.
    List {
        /// The number of the first point.
        first: usize,
        /// The points.
        points: Vec<Point>,
    },
    /// Blocks below a heading; in HTML they are folded until the reader opens them.
    Fold {
        /// The heading.
        summary: String,
        /// The blocks below it.
        blocks: Vec<Self>,
    },
    /// Lines of figures, one per row; continuation lines are indented.
    Lines(Vec<String>),
    /// Preformatted lines.
    Verbatim(Vec<String>),
    /// A chart as HTML; omitted in text and Markdown.
    Figure(String),
    /// A table. On a narrow terminal, optional columns are dropped from the right.
    Table {
        /// Headers and alignment of the columns.
        headers: Vec<(Align, String)>,
        /// Rows: the tone of the first cell, and the cells.
        rows: Vec<(Tone, Vec<String>)>,
        /// A sparkline for each row as HTML, or empty; omitted in text and Markdown.
        figures: Vec<String>,
        /// Whether a phone shows each row as a block with all its values, instead of a part of a wide table.
        is_stacked: bool,
    },
}

/// A point of a list: its tone, its text, and the lines below it.
pub type Point = (Tone, String, Vec<Below>);

/// A line below a point of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// A sentence.
    Text(String),
    /// The position of a log line.
    Evidence {
        /// What the line is: `Evidence`.
        label: String,
        /// Path of the file, as given.
        file: String,
        /// Line number, from 1.
        line: u64,
    },
    /// The text of the log line above.
    Sample(String),
    /// The name of a runbook.
    Runbook(String),
}

impl Below {
    /// The line as plain text.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Evidence { label, file, line } => format!("{label}: {file}:{line}"),
            Self::Sample(sample) => format!("› {sample}"),
            Self::Runbook(name) => format!("Runbook: dragline runbook {name}"),
        }
    }
}

impl From<String> for Below {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Alignment and cutting of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text that is never cut: times, verdicts.
    Fixed,
    /// Text that is never cut, in a column that may be dropped.
    Spare,
    /// Numbers, in a column that may be dropped.
    SpareRight,
    /// Text that may be cut in the middle on a narrow terminal.
    Cut,
}

/// State of a block. Only state has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Neutral.
    #[default]
    Plain,
    /// Good.
    Good,
    /// Warning.
    Warning,
    /// Needs attention.
    Critical,
    /// Secondary information.
    Muted,
}

impl Tone {
    /// The class in HTML.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Muted => "muted",
        }
    }
}

impl Block {
    /// Creates a table with these headers.
    pub fn table(headers: &[(Align, &str)], rows: Vec<(Tone, Vec<String>)>) -> Self {
        let owned = |(align, name): &(Align, &str)| (*align, (*name).to_owned());
        Self::Table {
            headers: headers.iter().map(owned).collect(),
            rows,
            figures: Vec::new(),
            is_stacked: false,
        }
    }
}

impl Document {
    pub(crate) fn title(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Title(text.into()));
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds one or more sentences.
    pub fn text(&mut self, tone: Tone, text: impl Into<String>) {
        self.blocks.push(Block::Text(tone, text.into()));
    }

    pub(crate) fn list(&mut self, points: Vec<Point>) {
        self.list_from(1, points);
    }

    /// Adds a list whose first point has this number.
    pub(crate) fn list_from(&mut self, first: usize, points: Vec<Point>) {
        if !points.is_empty() {
            self.blocks.push(Block::List { first, points });
        }
    }

    /// Adds blocks that HTML folds.
    pub(crate) fn fold(&mut self, summary: impl Into<String>, inside: Self) {
        if !inside.blocks.is_empty() {
            self.blocks.push(Block::Fold {
                summary: summary.into(),
                blocks: inside.blocks,
            });
        }
    }

    pub(crate) fn lines(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.blocks.push(Block::Lines(lines));
        }
    }

    pub(crate) fn table(
        &mut self,
        headers: &[(Align, &'static str)],
        rows: Vec<(Tone, Vec<String>)>,
    ) {
        if !rows.is_empty() {
            self.blocks.push(Block::table(headers, rows));
        }
    }
}
