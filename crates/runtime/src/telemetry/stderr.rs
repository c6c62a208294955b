//! stderr as the last resort of a process: nothing here waits for its reader for long.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the last words of a process may take.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(2);

/// stderr by a descriptor of its own: whoever waits in a write holds no lock that others take.
pub(super) fn own_descriptor() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// Writes what a process has to say at its end. It waits 2 s at most for a pipe that nobody reads.
pub fn write_last_words(text: &str) {
    let Ok(mut stderr) = own_descriptor() else {
        return;
    };
    let (text, (done, ended)) = (text.to_owned(), mpsc::channel());
    let writing = thread::Builder::new().spawn(move || {
        let written = stderr.write_all(text.as_bytes());
        // The receiver is gone if this took too long.
        let _ = done.send(written.is_ok());
    });
    if writing.is_ok() {
        let _ = ended.recv_timeout(LAST_WORDS_TIMEOUT);
    }
}
