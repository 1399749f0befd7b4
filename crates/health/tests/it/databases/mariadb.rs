//! A real MariaDB.

use std::fs;

use dragline_health::{FailureKind, Field, Status};

use super::system::{Server, check, command, find, give, skip, wait_for};
use crate::message;
use crate::server::closed_port;

const ENCODED: &str = "hunter2%23%40%25s";

fn start() -> Option<Server> {
    let (install, mariadbd) = (find("mariadb-install-db")?, find("mariadbd")?);
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    give(home);
    let data = home.join("data").display().to_string();
    let made = command(&install, home)
        .args([
            "--no-defaults",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ])
        .arg(format!("--datadir={data}"))
        .status()
        .unwrap();
    assert!(made.success(), "mariadb-install-db failed");
    let init = home.join("init.sql");
    fs::write(
        &init,
        "CREATE DATABASE shop;\nCREATE USER 'bot'@'%' IDENTIFIED BY 'hunter2#@%s';\n\
         GRANT SELECT ON shop.* TO 'bot'@'%';\n",
    )
    .unwrap();
    give(&init);
    let port = closed_port();
    let child = command(&mariadbd, home)
        .args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--innodb-flush-method=nosync",
        ])
        .arg(format!("--datadir={data}"))
        .arg(format!("--port={port}"))
        .arg(format!("--socket={}", home.join("s").display()))
        .arg(format!("--pid-file={}", home.join("pid").display()))
        .arg(format!("--init-file={}", init.display()))
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
async fn a_real_mariadb_is_checked() {
    let Some(mut server) = start() else {
        return skip("MariaDB");
    };
    let port = server.port;
    let url = format!("mysql+pymysql://bot:{ENCODED}@127.0.0.1:{port}/shop?charset=utf8mb4");
    wait_for(&url).await;

    let good = check(&url, "", None).await;
    assert_eq!(
        (good.status, good.target.as_str()),
        (Status::Healthy, &*format!("mysql://127.0.0.1:{port}"))
    );
    for field in [Field::ConnectTime, Field::RoundTripTime] {
        let time = good.values[&field];
        assert!(
            time > 0.0 && time <= good.values[&Field::ResponseTime],
            "{field:?} {time}"
        );
    }
    let slow = check(&url, "degraded_unless = ['response_time < 0ms']", None).await;
    assert_eq!(slow.status, Status::Degraded);

    let wrong = check(
        &format!("mysql://bot:wr0ng-password@127.0.0.1:{port}/shop"),
        "",
        None,
    )
    .await;
    assert_eq!(wrong.failure, Some(FailureKind::Database));
    assert!(
        message(&wrong).starts_with(&format!(
            "MySQL at 127.0.0.1:{port} refused: Access denied for user 'bot'"
        )),
        "{wrong:?}"
    );
    let missing = check(
        &format!("mariadb://bot:{ENCODED}@127.0.0.1:{port}/books"),
        "",
        None,
    )
    .await;
    assert!(message(&missing).contains("books"), "{missing:?}");

    let socket = server.directory.path().join("s");
    let socket = format!(
        "mysql://bot:{ENCODED}@localhost/shop?unix_socket={}",
        socket.display()
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
