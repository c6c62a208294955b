//! The hook's input: bounded in size and in time.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read as read_some;

/// A larger input is read to its end, so that the client can write it, and not kept.
const MAX_INPUT_BYTES: usize = 8 << 20;
/// The client writes at once.
const WITHIN: Duration = Duration::from_secs(2);
const CHUNK: usize = 64 << 10;

/// Why there is no input.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// It is larger than any hook's.
    #[error("the hook's input has more than {MAX_INPUT_BYTES} bytes")]
    TooLarge,
    /// Whoever writes it does not come to an end.
    #[error("the hook's input did not end within {WITHIN:?}")]
    Late,
    /// It cannot be read.
    #[error("the hook's input cannot be read: {0}")]
    Unreadable(Errno),
}

/// Reads standard input to its end.
pub(crate) fn read() -> Result<Vec<u8>, InputError> {
    read_within(&std::io::stdin(), MAX_INPUT_BYTES, WITHIN)
}

fn read_within(from: &impl AsFd, max: usize, within: Duration) -> Result<Vec<u8>, InputError> {
    let deadline = Instant::now() + within;
    let (mut input, mut chunk, mut is_large) = (Vec::new(), vec![0; CHUNK], false);
    loop {
        await_more(from, deadline)?;
        match read_some(from.as_fd(), &mut chunk) {
            Ok(0) if is_large => return Err(InputError::TooLarge),
            Ok(0) => return Ok(input),
            Ok(length) => {
                is_large |= input.len() + length > max;
                if is_large {
                    input = Vec::new();
                } else {
                    input.extend_from_slice(&chunk[..length]);
                }
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(why) => return Err(InputError::Unreadable(why)),
        }
    }
}

fn await_more(from: &impl AsFd, deadline: Instant) -> Result<(), InputError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let mut waiting = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    match poll(&mut waiting, timeout) {
        Ok(0) => Err(InputError::Late),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(why) => Err(InputError::Unreadable(why)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn given(bytes: usize, max: usize) -> Result<usize, InputError> {
        let (from, mut to) = std::io::pipe().unwrap();
        let writer = std::thread::spawn(move || to.write_all(&vec![b'x'; bytes]));
        let read = read_within(&from, max, Duration::from_secs(60));
        writer.join().unwrap().unwrap();
        read.map(|input| input.len())
    }

    #[test]
    fn an_input_is_read_to_its_end_and_kept_up_to_a_limit() {
        assert_eq!(given(0, 10), Ok(0));
        assert_eq!(given(1 << 20, 1 << 20), Ok(1 << 20));
        assert_eq!(given((1 << 20) + 1, 1 << 20), Err(InputError::TooLarge));
    }

    #[test]
    fn an_input_without_an_end_is_not_waited_for() {
        let (from, _open) = std::io::pipe().unwrap();
        let read = read_within(&from, 10, Duration::from_millis(1));
        assert_eq!(read, Err(InputError::Late));
    }
}
