//! Access: the token file and the files of TLS, of a server and of a client.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use shim_runtime::auth::{Credentials, TokenFile, TokenSummary};

use super::check::Check;
use crate::config::Config;

/// Enough time to hand out a new token.
const EXPIRY_NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) fn check(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(file) = &config.runtime.token_file {
        checks.push(tokens(file, SystemTime::now()));
    }
    let tls = &config.runtime.tls;
    for key in [&tls.key_file, &tls.client_key_file].into_iter().flatten() {
        checks.push(private_key(key));
    }
    if tls.cert_file.is_some() || tls.ca_file.is_some() {
        checks.push(certificates(config));
    }
    checks
}

fn tokens(file: &Path, now: SystemTime) -> Check {
    let name = "tokens";
    let file = match TokenFile::open(file) {
        Ok(file) => file,
        Err(wrong) => return Check::fail(name, wrong.to_string(), "correct auth.token_file"),
    };
    let shown = file.path().display().to_string();
    let tokens = file.summary();
    let names = |is_wanted: &dyn Fn(&TokenSummary) -> bool| {
        let wanted = tokens.iter().filter(|token| is_wanted(token));
        let names: Vec<_> = wanted.map(|token| token.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let ends_before = |token: &TokenSummary, time| token.until.is_some_and(|until| until <= time);
    if tokens.first().is_some_and(|token| ends_before(token, now)) {
        let detail = format!("{shown}: the first token, the one clients show, is expired");
        return Check::fail(name, detail, "put a new token on the first line");
    }
    if let Some(expired) = names(&|token| ends_before(token, now)) {
        let detail = format!("{shown}: expired: {expired}");
        return Check::warn(name, detail, "remove what nobody may use any more");
    }
    if let Some(ending) = names(&|token| ends_before(token, now + EXPIRY_NOTICE)) {
        let detail = format!("{shown}: expiring within 7 days: {ending}");
        return Check::warn(name, detail, "add new tokens below the old ones in time");
    }
    if file.is_readable_by_others() {
        let remedy = format!("chmod 600 {shown}, unless a secrets mount made it so");
        return Check::warn(name, format!("others can read {shown}"), remedy);
    }
    Check::ok(name, format!("{} in {shown}", tokens.len()))
}

fn private_key(file: &Path) -> Check {
    let (name, shown) = ("private key", file.display());
    match std::fs::metadata(file) {
        Err(why) => Check::fail(name, format!("{shown}: {why}"), "correct the keys tls.*"),
        Ok(meta) if !meta.is_file() => no_file(name, file),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Check::warn(
            name,
            format!("others can read or write {shown}"),
            format!("chmod 600 {shown}, unless a secrets mount made it so"),
        ),
        Ok(_) => Check::ok(name, format!("{shown} is its owner's only")),
    }
}

/// A pipe would be waited for.
fn no_file(name: &'static str, file: &Path) -> Check {
    let detail = format!("{} is not a regular file", file.display());
    Check::fail(name, detail, "correct the keys tls.*")
}

fn certificates(config: &Config) -> Check {
    let name = "certificates";
    let mut tls = config.runtime.tls.clone();
    let is_none = |file: &Path| std::fs::metadata(file).is_ok_and(|meta| !meta.is_file());
    if let Some(file) = tls.files_mut().into_iter().find(|file| is_none(file)) {
        return no_file(name, file);
    }
    let own = config.runtime.tls.server().map(drop);
    let read = own.map_err(|wrong| wrong.to_string()).and_then(|()| {
        match Credentials::of(config.runtime.token_file.as_deref(), &config.runtime.tls) {
            Ok(_) => Ok(()),
            Err(wrong) => Err(wrong.to_string()),
        }
    });
    match read {
        Ok(()) => Check::ok(name, "all files of tls.* can be read"),
        Err(wrong) => Check::fail(name, wrong, "correct the keys tls.*"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::Permissions;

    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for other in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            for check in [tokens(other, SystemTime::now()), private_key(other)] {
                assert_eq!(check.verdict, Verdict::Fail, "{}", check.detail);
                assert!(check.detail.contains("regular file"), "{}", check.detail);
            }
        }
    }

    #[test]
    fn a_token_file_is_judged_by_its_mode_and_by_when_its_tokens_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600); // 2026-01-01
        for (mode, content, verdict, expected) in [
            (0o600, "0123456789abcdef", Verdict::Ok, "1 in "),
            (0o644, "0123456789abcdef", Verdict::Warn, "others can read"),
            (0o666, "0123456789abcdef", Verdict::Fail, "can write"),
            (0o600, "0123456789abcdef role=king", Verdict::Fail, "line 1"),
            (
                0o600,
                "0123456789abcdef until=2025-12-31T00:00:00Z",
                Verdict::Fail,
                "first token",
            ),
            (
                0o600,
                "0123456789abcdef\nfedcba9876543210 name=bob until=2025-12-31T00:00:00Z",
                Verdict::Warn,
                "expired: bob",
            ),
            (
                0o600,
                "0123456789abcdef name=amy until=2026-01-03T00:00:00Z",
                Verdict::Warn,
                "7 days: amy",
            ),
        ] {
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let check = tokens(&file, now);
            assert_eq!(check.verdict, verdict, "{content}: {}", check.detail);
            assert!(
                check.detail.contains(expected),
                "{content}: {}",
                check.detail
            );
            assert!(!check.detail.contains("0123456789"), "{}", check.detail);
        }
    }
}
