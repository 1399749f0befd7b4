//! What a check can measure.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// What a value counts, and so in which units a condition writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    Number,
    /// Seconds; conditions write `800ms`, `2s`, `1h`.
    Duration,
    /// 0 to 100; conditions write `10` or `10%`.
    Percent,
    /// Bytes; conditions write `5GB` or `512MiB`.
    Bytes,
    /// Text; conditions compare it with `matches`, `==` and `!=`.
    Text,
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $unit:ident [$($kind:ident)+];)+) => {
        /// A value that a check measures and that conditions can name.
        ///
        /// Serialised under the name that conditions use. Durations are seconds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Field {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Field {
            /// All fields, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Name in conditions and in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Unit of its values.
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),+ }
            }

            /// One sentence about it, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// The kinds of checks that measure it.
            pub fn kinds(self) -> &'static [Kind] {
                match self { $(Self::$variant => &[$(Kind::$kind),+]),+ }
            }
        }
    };
}

fields! {
    /// Status code of the last answer.
    Status "status" Number [Site];
    /// Time of the whole check, or the mean of the scrapers' requests.
    ResponseTime "response_time" Duration [Site Database Tcp Tls];
    /// Time to resolve the host's name, summed over redirects.
    DnsTime "dns_time" Duration [Site Database Tcp Tls];
    /// Time to connect, summed over redirects; for a database until it accepts the login.
    ConnectTime "connect_time" Duration [Site Database Tcp Tls];
    /// Time of the TLS handshakes.
    TlsTime "tls_time" Duration [Site Tls];
    /// Time from the request to the first byte of the answer, summed over redirects.
    FirstByteTime "first_byte_time" Duration [Site];
    /// Time of one query.
    RoundTripTime "round_trip_time" Duration [Database];
    /// Number of redirects that were followed.
    Redirects "redirects" Number [Site];
    /// The first mebibyte of the answer's body.
    Body "body" Text [Site];
    /// Bytes of the body that were read, at most a mebibyte.
    BodyBytes "body_bytes" Bytes [Site];
    /// Days until the first certificate on the way expires; negative afterwards.
    CertificateDays "certificate_days" Number [Site Tls];
    /// Requests of scrapers within the interval.
    Requests "requests" Number [Site];
    /// Share of the scrapers' requests that failed.
    FailedPercent "failed_percent" Percent [Site];
    /// Space that is free for the user who runs the check, as `df` counts it.
    FreePercent "free_percent" Percent [Disk];
    /// The same in bytes.
    FreeBytes "free_bytes" Bytes [Disk];
    /// Free inodes: many small files use them up before the space.
    FreeInodesPercent "free_inodes_percent" Percent [Disk];
    /// Time since the last sign of life.
    Age "age" Duration [Logs Run];
}

impl Field {
    /// Whether the scrapers' own requests tell it, without a probe.
    pub fn is_of_requests(self) -> bool {
        matches!(
            self,
            Self::Requests | Self::FailedPercent | Self::ResponseTime
        )
    }

    /// Finds a field by its name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_uses_the_names_of_the_conditions() {
        for field in Field::ALL {
            let json = serde_json::to_string(field).unwrap();
            assert_eq!(json, format!("{:?}", field.name()));
            assert_eq!(Field::by_name(field.name()), Some(*field));
            assert!(!field.kinds().is_empty());
        }
    }
}
