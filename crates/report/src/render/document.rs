//! What a report says, before it is text or Markdown.

/// A document: blocks from top to bottom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A title.
    Title(String),
    /// A heading of a section.
    Heading(String),
    /// A sentence or more, in a tone.
    Text(Tone, String),
    /// Points, each with lines below it.
    List(Vec<(Tone, String, Vec<String>)>),
    /// Lines of figures, each on its own; they go on indented.
    Lines(Vec<String>),
    /// Lines as they stand, blanks and all.
    Verbatim(Vec<String>),
    /// A chart as HTML; text and Markdown leave it out.
    Figure(String),
    /// Rows under headers. On a narrow terminal, columns that may go do so from the right.
    Table {
        /// The headers, and how their columns are set.
        headers: Vec<(Align, String)>,
        /// The rows: a tone for the row's first cell, and the cells.
        rows: Vec<(Tone, Vec<String>)>,
        /// A small chart for each row as HTML, or none at all; text and Markdown leave them out.
        figures: Vec<String>,
    },
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text that is never cut: times, verdicts.
    Fixed,
    /// Text that is never cut, in a column that may go.
    Spare,
    /// Numbers, in a column that may go.
    SpareRight,
    /// Text that may be cut in the middle when the terminal is narrow.
    Cut,
}

/// What a piece is about: state, and nothing else, has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Needs a hand.
    Critical,
    /// Beside the point.
    Muted,
}

impl Block {
    /// A table under these headers.
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

    /// Adds a sentence or more.
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
