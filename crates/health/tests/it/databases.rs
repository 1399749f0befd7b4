//! Postgres and MariaDB, started by the test from the system's programs.
//!
//! Where the programs are missing, the tests say that they are skipped.

#[cfg(feature = "mysql")]
mod mariadb;
#[cfg(feature = "postgres")]
mod postgres;

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod system {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use dragline_health::{CheckReport, Health, Signals};

    use crate::{configure, now};

    /// A user without rights; database servers refuse to run as root.
    const NOBODY: u32 = 65_534;

    /// Finds a program in the places where Debian puts it.
    pub(super) fn find(name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut directories: Vec<_> = std::env::split_paths(&path).collect();
        directories.extend(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
        for version in std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
        {
            directories.push(version.path().join("bin"));
        }
        directories
            .into_iter()
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    }

    /// Says, past the test harness, that a test is skipped.
    pub(super) fn skip(what: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {what} is not installed; nothing was tested"
        );
    }

    fn is_root() -> bool {
        std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }

    /// A command that does not run as root.
    pub(super) fn command(program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(home)
            .env("HOME", home)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Gives a file or directory to the user that the command runs as.
    pub(super) fn give(path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A server that ends with the test.
    pub(super) struct Server {
        pub(super) child: Child,
        pub(super) port: u16,
        pub(super) directory: tempfile::TempDir,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Checks a database by a URL from the environment.
    pub(super) async fn check(url: &str, more: &str, authority: Option<&[u8]>) -> CheckReport {
        let text = format!(
            "[[health.checks]]\nname = 'db'\ntype = 'database'\nurl_env = 'DATABASE_URL'\n{more}"
        );
        let config = configure(&text, Path::new("/"), &[&format!("DATABASE_URL={url}")]);
        let mut health = Health::new(config);
        if let Some(authority) = authority {
            health = health.with_authorities([authority.to_vec()]);
        }
        let report = health.run(now(), &Signals::default()).await;
        // Whatever happened: no secret in anything that is shown or kept.
        let shown = format!(
            "{}{}{}{:?}",
            report.to_text(),
            serde_json::to_string(&report).unwrap(),
            serde_json::to_string(health.memory()).unwrap(),
            health,
        );
        for secret in ["hunter2", "wr0ng-password"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        report.checks.into_iter().next().unwrap()
    }

    /// Waits, for a limited time, until a server that was just started answers.
    pub(super) async fn wait_for(url: &str) {
        for _ in 0..400 {
            if check(url, "", None).await.failure.is_none() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the server does not start");
    }
}
