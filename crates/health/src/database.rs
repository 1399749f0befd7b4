//! Which database a URL names.

use std::path::{Path, PathBuf};

use crate::address::{Address, AddressError};

/// A database, as its URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// Postgres and what speaks its protocol.
    Postgres(Address),
    /// MySQL and MariaDB.
    Mysql(Address),
}

impl Database {
    /// Reads a URL in the forms of SQLAlchemy, Django and the databases' own tools, with or without a driver
    /// (`postgresql+asyncpg://…`).
    ///
    /// `sqlite:///x.db` is a path relative to `base`, `sqlite:////srv/x.db` an absolute one.
    ///
    /// # Errors
    /// When the scheme is unknown or the URL cannot be read. The error does not quote the URL.
    pub fn parse(text: &str, base: &Path) -> Result<Self, AddressError> {
        let scheme = text
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let scheme = scheme.split('+').next().unwrap_or_default();
        match scheme {
            "sqlite" | "sqlite3" => parse_sqlite(text, base),
            "postgres" | "postgresql" => {
                let text = with_host(text, "host=/var/run/postgresql");
                Address::parse(&text, false).map(Self::Postgres)
            }
            "mysql" | "mariadb" => {
                let text = with_host(text, "unix_socket=/var/run/mysqld/mysqld.sock");
                Address::parse(&text, false).map(Self::Mysql)
            }
            _ => Err(AddressError(
                "the URL of a database starts with sqlite:///, postgresql:// or mysql://"
                    .to_owned(),
            )),
        }
    }

    /// Texts that no message may contain.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match self {
            Self::Sqlite { .. } => Vec::new(),
            Self::Postgres(address) | Self::Mysql(address) => address.credentials(),
        }
    }
}

/// Gives a URL without a host, such as `postgresql://bot@/shop`, one, and the usual socket unless it names
/// another.
fn with_host(text: &str, socket: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if !(authority.is_empty() || authority.ends_with('@')) {
        return text.to_owned();
    }
    let parameter = socket.split('=').next().unwrap_or_default();
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    let has_socket = query.split('&').any(|pair| pair.starts_with(parameter));
    let separator = match (has_socket, query.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("?{socket}"),
        (false, false) => format!("&{socket}"),
    };
    format!("{scheme}://{authority}localhost{tail}{separator}")
}

fn parse_sqlite(text: &str, base: &Path) -> Result<Database, AddressError> {
    let (_, rest) = text.split_once(':').unwrap_or_default();
    let path = rest.strip_prefix("//").unwrap_or(rest);
    // After the two slashes comes an empty host, then the slash that ends it.
    let path = if rest.starts_with("//") {
        path.strip_prefix('/').unwrap_or(path)
    } else {
        path
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Err(AddressError(
            "a database in memory cannot be checked from outside its process".to_owned(),
        ));
    }
    Ok(Database::Sqlite {
        path: base.join(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_paths_are_read_as_sqlalchemy_reads_them() {
        for (text, path) in [
            ("sqlite:///x.db", "/base/x.db"),
            ("sqlite:///data/x.db?timeout=5", "/base/data/x.db"),
            ("sqlite:////srv/x.db", "/srv/x.db"),
            ("sqlite+aiosqlite:///x.db", "/base/x.db"),
            ("sqlite://x.db", "/base/x.db"),
            ("sqlite:x.db", "/base/x.db"),
        ] {
            let database = Database::parse(text, Path::new("/base")).unwrap();
            let expected = Database::Sqlite { path: path.into() };
            assert_eq!(database, expected, "{text}");
        }
    }

    #[test]
    fn without_a_host_the_socket_is_meant() {
        for (text, socket) in [
            ("postgresql:///shop", "/var/run/postgresql"),
            (
                "postgresql://bot@/shop?connect_timeout=3",
                "/var/run/postgresql",
            ),
            ("postgresql://bot:pw@/shop?host=/tmp/pg", "/tmp/pg"),
        ] {
            let Ok(Database::Postgres(address)) = Database::parse(text, Path::new("/")) else {
                panic!("{text}");
            };
            assert_eq!(address.parameter("host").as_deref(), Some(socket), "{text}");
            assert_eq!(
                (address.host().as_str(), address.path_name().as_str()),
                ("localhost", "shop")
            );
        }
    }

    #[test]
    fn drivers_are_left_out() {
        let parse = |text| Database::parse(text, Path::new("/base"));
        for text in [
            "postgres://h/d",
            "postgresql+psycopg2://h/d",
            "postgresql+asyncpg://h/d",
        ] {
            assert!(matches!(parse(text), Ok(Database::Postgres(_))), "{text}");
        }
        for text in [
            "mysql://h/d",
            "mysql+pymysql://h/d?charset=utf8mb4",
            "mariadb+mariadbconnector://h/d",
        ] {
            assert!(matches!(parse(text), Ok(Database::Mysql(_))), "{text}");
        }
        for text in [
            "sqlite://",
            "sqlite:///:memory:",
            "oracle://h/d",
            "",
            "x.db",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
