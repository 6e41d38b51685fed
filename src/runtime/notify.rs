//! What a service manager is told (systemd's `sd_notify`): a datagram of `NAME=VALUE` to the socket
//! that `NOTIFY_SOCKET` names. Without it nobody asked, and nothing is said.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A way to tell the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// Silence after which it ends the process; none where it does not watch.
    pub watchdog: Option<Duration>,
}

impl Notifier {
    /// The one that started this process, if it wants to be told.
    pub fn of_this_process() -> Option<Self> {
        let address = std::env::var_os("NOTIFY_SOCKET")?;
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        // The watchdog of a parent is not ours.
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_ours);
        Self::to(&address, watchdog.map(Duration::from_micros)).ok()
    }

    /// To a socket by its path, or by `@` and its name where it has no file.
    ///
    /// # Errors
    /// An address that is none.
    pub fn to(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let manager = match address.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, manager, watchdog })
    }

    /// Orders are served; `status` is what `systemctl status` shows.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// It stops, as asked.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// It goes on: the watchdog begins to count anew.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// A manager that does not listen is no reason to stop.
    fn say(&self, text: &str) {
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.manager);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_what_is_said_by_path_and_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("wirematch-notify-{}", std::process::id());
        let abstract_one = SocketAddr::from_abstract_name(&name).expect("a name");
        let by_path = (UnixDatagram::bind(&path).expect("it is free"), path.into_os_string());
        let by_name = UnixDatagram::bind_addr(&abstract_one).expect("it is free");
        for (socket, address) in [by_path, (by_name, format!("@{name}").into())] {
            let notifier = Notifier::to(&address, None).expect("an address");
            notifier.ready("orders at 1.2.3.4:5");
            notifier.alive();
            notifier.stopping();
            let mut room = [0; 256];
            for told in ["READY=1\nSTATUS=orders at 1.2.3.4:5", "WATCHDOG=1", "STOPPING=1"] {
                let length = socket.recv(&mut room).expect("it was said");
                assert_eq!(&room[..length], told.as_bytes());
            }
        }
    }
}
