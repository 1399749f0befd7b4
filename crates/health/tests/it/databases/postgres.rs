//! A real Postgres, with passwords and TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use dragline_health::{FailureKind, Field, Status};

use super::system::{Server, check, command, find, give, skip, wait_for};
use crate::message;
use crate::server::{Certificate, certify, closed_port};

/// Characters that other monitors stumble over in a password.
const PASSWORD: &str = "hunter2#@%s/";
const ENCODED: &str = "hunter2%23%40%25s%2F";

fn start(certificate: &Certificate) -> Option<Server> {
    let (initdb, postgres) = (find("initdb")?, find("postgres")?);
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    give(home);
    for (name, text) in [
        ("password", PASSWORD),
        ("server.crt", certificate.pem.as_str()),
        ("server.key", certificate.key_pem.as_str()),
    ] {
        let path = home.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give(&path);
    }
    let made = command(&initdb, home)
        .args([
            "-D",
            "data",
            "-U",
            "bot",
            "--auth=scram-sha-256",
            "--pwfile=password",
        ])
        .args(["--no-sync", "--encoding=UTF8", "--no-locale"])
        .status()
        .unwrap();
    assert!(made.success(), "initdb failed");
    let port = closed_port();
    let child = command(&postgres, home)
        .args([
            "-D",
            "data",
            "-p",
            &port.to_string(),
            "-k",
            &home.display().to_string(),
        ])
        .args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "ssl=on",
        ])
        .args([
            "-c",
            &format!("ssl_cert_file={}", home.join("server.crt").display()),
        ])
        .args([
            "-c",
            &format!("ssl_key_file={}", home.join("server.key").display()),
        ])
        .spawn()
        .unwrap();
    Some(Server {
        child,
        port,
        directory,
    })
}

/// One test, because starting a server takes seconds.
#[tokio::test]
async fn a_real_postgres_is_checked() {
    let certificate = certify("localhost", 30);
    let Some(mut server) = start(&certificate) else {
        return skip("Postgres");
    };
    let port = server.port;
    let url = format!("postgresql://bot:{ENCODED}@127.0.0.1:{port}/postgres?sslmode=disable");
    wait_for(&url).await;

    let good = check(&url, "", None).await;
    assert_eq!(
        (good.status, good.target.as_str()),
        (Status::Healthy, &*format!("postgresql://127.0.0.1:{port}"))
    );
    for field in [Field::ConnectTime, Field::RoundTripTime] {
        let time = good.values[&field];
        assert!(
            time > 0.0 && time <= good.values[&Field::ResponseTime],
            "{field:?} {time}"
        );
    }
    let slow = check(&url, "degraded_unless = ['round_trip_time < 0ms']", None).await;
    assert_eq!(slow.status, Status::Degraded);

    // SQLAlchemy's form, with a driver.
    let driver = format!("postgresql+asyncpg://bot:{ENCODED}@127.0.0.1:{port}/postgres");
    assert_eq!(check(&driver, "", None).await.status, Status::Healthy);

    let wrong = format!("postgresql://bot:wr0ng-password@127.0.0.1:{port}/postgres");
    let wrong = check(&wrong, "", None).await;
    assert_eq!(wrong.failure, Some(FailureKind::Database));
    assert_eq!(
        message(&wrong),
        format!(
            "Postgres at 127.0.0.1:{port} refused: password authentication failed for user \"bot\" (28P01)"
        )
    );
    let missing = format!("postgresql://bot:{ENCODED}@127.0.0.1:{port}/shop");
    let missing = check(&missing, "", None).await;
    assert!(
        message(&missing).ends_with("database \"shop\" does not exist (3D000)"),
        "{missing:?}"
    );

    check_tls(&certificate, port).await;

    let socket = format!(
        "postgresql://bot:{ENCODED}@localhost:{port}/postgres?host={}",
        server.directory.path().display()
    );
    let socket = check(&socket, "", None).await;
    assert_eq!(socket.status, Status::Healthy, "{socket:?}");

    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let gone = check(&url, "", None).await;
    assert_eq!(
        (gone.status, gone.failure),
        (Status::Critical, Some(FailureKind::Connect))
    );
}

async fn check_tls(certificate: &Certificate, port: u16) {
    let url =
        |mode: &str| format!("postgresql://bot:{ENCODED}@localhost:{port}/postgres?sslmode={mode}");
    // As libpq: encrypted, with a certificate of any signer.
    assert_eq!(
        check(&url("require"), "", None).await.status,
        Status::Healthy
    );
    let verified = check(&url("verify-full"), "", Some(&certificate.authority)).await;
    assert_eq!(verified.status, Status::Healthy, "{verified:?}");
    let other = certify("localhost", 30);
    let refused = check(&url("verify-full"), "", Some(&other.authority)).await;
    assert_eq!(refused.status, Status::Critical);
    assert!(
        message(&refused).contains("invalid peer certificate"),
        "{refused:?}"
    );
    let unknown = check(&url("sometimes"), "", None).await;
    assert!(message(&unknown).contains("unknown sslmode"), "{unknown:?}");
}
