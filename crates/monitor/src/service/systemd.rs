//! The protocol of `sd_notify`: a few words to the socket that systemd names.

use std::time::Duration;

/// Sends a word to systemd, if it asked for it. Errors have no consequence: there is no other receiver.
#[cfg(unix)]
pub(super) fn notify(state: &str) {
    use std::os::unix::net::UnixDatagram;

    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let Ok(socket) = UnixDatagram::unbound() else {
        return;
    };
    let _ = send(&socket, &path, state);
}

/// Elsewhere there is no systemd.
#[cfg(not(unix))]
pub(super) fn notify(_: &str) {}

#[cfg(unix)]
fn send(
    socket: &std::os::unix::net::UnixDatagram,
    path: &std::ffi::OsStr,
    state: &str,
) -> std::io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        // A name that begins with @ is one of the abstract namespace.
        if let Some(name) = path.as_bytes().strip_prefix(b"@") {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            return socket.send_to_addr(state.as_bytes(), &address);
        }
    }
    socket.send_to(state.as_bytes(), path)
}

/// The time within which systemd wants a sign of life; `None` if it does not.
pub(super) fn watchdog_interval() -> Option<Duration> {
    let own = std::env::var("WATCHDOG_PID")
        .ok()
        .and_then(|pid| pid.parse::<u32>().ok());
    if own.is_some_and(|pid| pid != std::process::id()) {
        return None;
    }
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn the_socket_that_systemd_names_receives_the_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        send(&socket, path.as_os_str(), "READY=1").unwrap();
        let mut bytes = [0; 32];
        let length = receiver.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1");
    }
}
