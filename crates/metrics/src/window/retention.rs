//! How long and how finely a store keeps values.

/// Slots of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The width of a slot, in seconds.
    pub seconds: u32,
    /// Minimum number of slots that are kept. Values older than these are joined into the slots of the next
    /// resolution, or dropped after the last one.
    pub slots: u32,
}

/// How long and how finely a store keeps values, and how much it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    resolutions: Vec<Resolution>,
    pub(crate) max_series: usize,
    pub(crate) max_bytes: usize,
}

/// The resolutions contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// There is no resolution, or one has no slots or no width.
    #[error(
        "invalid retention: every resolution needs a width and slots, and there must be at least one"
    )]
    Empty,
    /// A width is not a multiple of the one before it.
    #[error(
        "invalid retention: a width of {wide} s is not a multiple of {narrow} s, the one before it"
    )]
    Width {
        /// The width, in seconds.
        wide: u32,
        /// The width before it, in seconds.
        narrow: u32,
    },
    /// Resolutions with many slots: more than 100,000.
    #[error(
        "invalid retention: {slots} slots per series are too many; at most 100,000 are allowed"
    )]
    Slots {
        /// Number of slots.
        slots: u64,
    },
}

impl Default for Retention {
    /// 10 seconds for a quarter of an hour, a minute for 3 hours, 10 minutes for a day and an hour for a
    /// week; 2,000 series and 64 MiB.
    fn default() -> Self {
        let resolution = |(seconds, slots)| Resolution { seconds, slots };
        let resolutions = [(10, 90), (60, 180), (600, 144), (3600, 168)];
        Self {
            resolutions: resolutions.map(resolution).to_vec(),
            max_series: 2_000,
            max_bytes: 64 << 20,
        }
    }
}

impl Retention {
    /// Sets the resolutions, the finest first.
    ///
    /// # Errors
    /// When a width is not a multiple of the one before it, or a number is 0.
    pub fn new(resolutions: Vec<Resolution>) -> Result<Self, RetentionError> {
        let is_empty = |resolution: &Resolution| resolution.seconds == 0 || resolution.slots == 0;
        if resolutions.is_empty() || resolutions.iter().any(is_empty) {
            return Err(RetentionError::Empty);
        }
        for pair in resolutions.windows(2) {
            let (narrow, wide) = (pair[0].seconds, pair[1].seconds);
            if wide % narrow != 0 || wide == narrow {
                return Err(RetentionError::Width { wide, narrow });
            }
        }
        let slots: u64 = resolutions.iter().map(|r| u64::from(r.slots)).sum();
        if slots > 100_000 {
            return Err(RetentionError::Slots { slots });
        }
        Ok(Self {
            resolutions,
            ..Self::default()
        })
    }

    /// Sets the maximum number of series. The values of further ones share a series for each name, in which
    /// every label has the value [`OVERFLOW`](crate::OVERFLOW).
    #[must_use]
    pub fn max_series(mut self, count: usize) -> Self {
        self.max_series = count;
        self
    }

    /// Sets the memory for slots and sketches, in bytes. When they need more, the oldest slots of all series
    /// are dropped.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.resolutions.len()
    }

    /// The width of the slots of a level, in microseconds.
    pub(crate) fn width(&self, level: usize) -> i64 {
        i64::from(self.resolutions[level].seconds) * 1_000_000
    }

    /// Where each level starts, in microseconds, when the newest value is at `newest`. A level starts where a
    /// slot of the next one starts, so that every moment belongs to one level.
    pub(crate) fn starts(&self, newest: i64) -> Vec<i64> {
        let start = |level: usize| {
            let width = self.width(level);
            let kept = i64::from(self.resolutions[level].slots) - 1;
            let start = floor(newest, width).saturating_sub(kept.saturating_mul(width));
            let next = (level + 1).min(self.len() - 1);
            floor(start, self.width(next))
        };
        (0..self.len()).map(start).collect()
    }
}

/// The start of the slot that contains a moment.
pub(crate) fn floor(micros: i64, width: i64) -> i64 {
    micros.div_euclid(width).saturating_mul(width)
}
