//! The asking end of the operator's socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::topology::admin::ask::Message;
use crate::topology::admin::server::{Answer, SOCKET_NAME};

/// Asks the appliance whose data folder this is, and waits for its answer.
///
/// # Errors
/// Nobody who answers in time.
pub fn ask_admin(data: &Path, message: &Message, patience: Duration) -> io::Result<Answer> {
    let stream = UnixStream::connect(data.join(SOCKET_NAME))?;
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
