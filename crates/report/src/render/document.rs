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
    List(Vec<(Tone, String, Vec<String>)>),
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
    },
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

    pub(crate) fn list(&mut self, points: Vec<(Tone, String, Vec<String>)>) {
        if !points.is_empty() {
            self.blocks.push(Block::List(points));
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
