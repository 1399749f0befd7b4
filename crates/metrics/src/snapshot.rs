//! The values of metrics at one moment, as exporters and stores read them.

use crate::family::AnyFamily;
use crate::{Descriptor, Distribution, Family, Kind, Unit};

/// A metric and the values of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The name, without the suffixes of samples.
    pub name: String,
    /// The description for people.
    pub help: String,
    /// The type.
    pub kind: Kind,
    /// The unit.
    pub unit: Option<Unit>,
    /// The series.
    pub series: Vec<Series>,
}

/// A series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Names and values of the labels, in the order of the description.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: Value,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The total of a counter.
    Counter(f64),
    /// The value of a gauge.
    Gauge(f64),
    /// The buckets of a histogram.
    Histogram(Distribution),
}

impl Metric {
    pub(crate) fn empty(descriptor: &Descriptor) -> Self {
        Self {
            name: descriptor.name.to_string(),
            help: descriptor.help.to_string(),
            kind: descriptor.kind,
            unit: descriptor.unit,
            series: Vec::new(),
        }
    }

    pub(crate) fn of(family: &AnyFamily) -> Self {
        let series = match family {
            AnyFamily::Counter(family) => {
                read(family, |counter| Some(Value::Counter(counter.value())))
            }
            AnyFamily::Gauge(family) => read(family, |gauge| gauge.value().map(Value::Gauge)),
            AnyFamily::Histogram(family) => read(family, |histogram| {
                Some(Value::Histogram(histogram.distribution()))
            }),
        };
        let empty = Self::empty(family.descriptor());
        Self { series, ..empty }
    }
}

fn read<T>(family: &Family<T>, value: impl Fn(&T) -> Option<Value>) -> Vec<Series> {
    let names = &family.descriptor().labels;
    let mut all = Vec::new();
    family.each(|values, handle| {
        if let Some(value) = value(handle) {
            let labels = names.iter().zip(values);
            let labels = labels.map(|(name, value)| (name.to_string(), (*value).to_owned()));
            let labels = labels.collect();
            all.push(Series { labels, value });
        }
    });
    all
}
