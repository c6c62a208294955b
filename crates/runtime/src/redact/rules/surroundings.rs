//! Secrets that only what surrounds them reveals: addresses, headers, commands, lines of files with a form of their own.

use super::rule::Rule;
use crate::redact::named::{Chance, Strength, Style, is_secret};

/// A command of a list, and what may stand before its option.
macro_rules! command {
    ($names:literal) => {
        concat!(
            r"(?:(?-u:\b)|\\[nrt])(?:",
            $names,
            r")(?-u:\b)[^\n|;&]{0,200}?\s"
        )
    };
}

/// A command that begins a list of words, and what may stand before its option.
macro_rules! listed {
    ($names:literal) => {
        concat!(
            r"(?:(?-u:\b)|\\[nrt])(?:",
            $names,
            r#")\\*["']?\s*,[^;|&]{0,200}?[\s"',\[]"#
        )
    };
}

/// All rules, in the order they are applied.
pub(super) static RULES: [Rule; 15] = [
    // With signs of an address in it, too, as people forget to escape them; behind a port comes no password.
    Rule::new(
        "url-password",
        &["://"],
        concat!(
            r#"(?i)(?-u:\b)[a-z][a-z0-9+.-]*://[^\s/?#:@"'<>\[\]\\]*:(?:([^\s/?#"'<>\[\]\\]+)@"#,
            r#"|([^\s0-9/?#@"'<>\[\]\\][^\s"'<>@\\]*)@[a-z0-9.-]+(?::[0-9]+)?(?:[/?\s"'\\]|$))"#
        ),
        is_password,
    ),
    Rule::new(
        "url-token",
        &["://"],
        r#"(?i)(?-u:\b)[a-z][a-z0-9+.-]*://([^\s/?#:@"'<>\[\]]{12,})(?::[^\s/?#@"'<>\[\]]*)?@"#,
        is_chance,
    ),
    Rule::new(
        "authorization",
        &["authorization", "bearer", "basic"],
        concat!(
            r#"(?i)(?:(?-u:\b)|\\[nrt])authorization["'\\]*\s*[:=]\s*["'\\]*(?:[a-z][a-z0-9_-]*\s+)?(?:token=)?([^\s"',;\\]{8,})"#,
            r"|(?:(?-u:\b)|\\[nrt])(?:bearer|basic)[\s:]+([a-z0-9+/_.~=-]{12,})",
        ),
        is_credential,
    ),
    Rule::new(
        "command-password",
        &[
            "curl ",
            "wget ",
            "http -a",
            "https -a",
            "xh -a",
            "--auth ",
            "--auth=",
            "lftp ",
            "smbclient ",
            "mysql",
            "mariadb",
            "sshpass",
            "login ",
            "mongo",
            "7z ",
            "7za ",
            "cqlsh",
            "mosquitto_",
            "redis-cli",
            "ldap",
            "sqlcmd",
            "zip -",
            "openssl",
            "--password-stdin",
            "sudo -s",
            "--with-token",
            "chpasswd",
            "--passphrase-fd",
            "htpasswd",
            "password 7 ",
            "password 0 ",
            "mc alias set",
            "xfreerdp",
            "identified ",
            "password for ",
            "secret set ",
            "convertto-securestring",
        ],
        concat!(
            command!("curl|wget|https?|xh|lftp|smbclient|ab"),
            r#"-{1,2}(?:u|user|proxy-user|U|a|A|auth)[ =]?\\?["']?[^\s:"'@/%]+[:%]([^\s"'\\]+)"#,
            "|",
            command!("mysql[a-z]*|mariadb[a-z-]*|7za?"),
            r#"-p\\?["']?([^\s"'\\-][^\s"'\\]{3,})"#,
            "|",
            command!(
                "sshpass|(?:docker|podman|skopeo|buildah|crane auth|helm registry|oc|az)(?: acr)? login|mongo[a-z]*|cqlsh"
            ),
            r#"-p\s*\\?["']?([^\s"'\\-][^\s"'\\]{3,})"#,
            "|",
            command!("redis-cli|mosquitto_pub|mosquitto_sub"),
            r#"-[aP]\s+\\?["']?([^\s"'\\-][^\s"'\\]{3,})"#,
            "|",
            command!("ldap[a-z]+"),
            r#"-w\s+\\?["']?([^\s"'\\-][^\s"'\\]{3,})"#,
            "|",
            command!("sqlcmd|bcp|zip|unzip"),
            r#"-P\s*\\?["']?([^\s"'\\-][^\s"'\\]{3,})"#,
            "|",
            command!("openssl"),
            r#"[^\n]{0,100}?pass:([^\s"'\\]{4,})"#,
            r#"|(?:(?-u:\b)|\\[nrt])(?:echo|printf)\s+(?:-n\s+)?\\?["']?(?:[a-z_][a-z0-9_-]*:)?([^\s"'|\\:]{4,})(?:\\n)?\\?["']?\s*\|[^\n]{0,120}?(?:--password-stdin|passwd --stdin|sudo -S|--with-token|chpasswd|--passphrase-fd)"#,
            r"|(?:(?-u:\b)|\\[nrt])htpasswd\s+-[a-zA-Z]*b[a-zA-Z]*\s+\S+\s+\S+\s+([^\s\\]{4,})",
            r"|(?:(?-u:\b)|\\[nrt])password [07] ([0-9A-Za-z]{6,})",
            r"|(?:(?-u:\b)|\\[nrt])mc alias set \S+ \S+ \S+ ([^\s\\]{8,})",
            r#"|(?i:identified(?: with \S+)? by(?: password)?) \\*["']([^"'\\]{4,})|(?i:password for \S+ =) (?:\w+\()?\\*["']([^"'\\]{4,})"#,
            r#"|(?:(?-u:\b)|\\[nrt])gh secret set \S+ (?:-b|--body)[ =]\\*["']?([^\s"'\\]{4,})"#,
            r#"|(?i:convertto-securestring)\s+(?:-String\s+)?\\*["']([^"'\\]{4,})|(?:(?-u:\b)|\\[nrt])curl [^\n]{0,200}?(?:-b|--cookie)[ =]\\*["']?[^=\s"']+=([^\s;"'\\]{12,})"#,
            r"|(?:(?-u:\b)|\\[nrt])xfreerdp[^\n]{0,200}?/p:([^\s\\]{4,})",
        ),
        is_password,
    ),
    // The same as lists of words: `["curl", "-u", "bob:..."]`, `[mysql, -p...]`.
    Rule::new(
        "listed-password",
        &[
            "curl\"",
            "curl'",
            "curl\\",
            "curl,",
            "wget\"",
            "wget'",
            "wget,",
            "http\"",
            "http'",
            "https\"",
            "xh\"",
            "xh'",
            "mysql",
            "mariadb",
            "sshpass",
            "mongo",
            "cqlsh",
            "redis-cli",
        ],
        concat!(
            listed!("curl|wget|https?|xh"),
            r#"-{1,2}(?:u|user|proxy-user|a|auth)\\*["']?\s*,\s*\\*["']?[^\s:"'@/%,]+:([^\s"'\\,\]]{4,})"#,
            "|",
            listed!("mysql[a-z]*|mariadb[a-z-]*"),
            r#"-p([^\s"'\\,\]-][^\s"'\\,\]]{3,})"#,
            "|",
            listed!("sshpass|redis-cli|mongo[a-z]*|cqlsh"),
            r#"-[pa]\\*["']?\s*,\s*\\*["']?([^\s"'\\,\]-][^\s"'\\,\]]{3,})"#,
        ),
        is_password,
    ),
    // As a program asks for it, with what was typed.
    Rule::new(
        "typed-password",
        &["password for ", "passphrase for ", "passcode for "],
        r#"(?i:pass(?:word|phrase|code) for \S{1,80}?\s*: ?)\\*["']?([^\s"'\\]{6,})"#,
        is_typed,
    ),
    // Addresses of databases without a scheme.
    Rule::new(
        "dsn-password",
        &[
            "@tcp(",
            "@unix(",
            "jdbc:oracle",
            "sqlplus",
            "userid=",
            "expdp",
            "impdp",
        ],
        concat!(
            r#"(?-u:\b)[\w.-]+:([^\s"']+)@(?:tcp|unix)\("#,
            r#"|(?i)(?:jdbc:oracle:\w+:|(?:sqlplus|expdp|impdp)(?:\s+-\w+)*\s+|userid=)["']?[\w$#]+/([^\s"'@\\]+)@"#,
        ),
        is_password,
    ),
    Rule::new(
        "pgpass",
        &[":5432:", ":5433:", ":6432:", ":*:"],
        r"(?m)(?:^|\\n)[\w.*-]+:(?:[0-9]{2,5}|\*):[\w.*-]+:[\w.*@-]+:([^\s\\]+)(?:$|\\n)",
        is_password,
    ),
    Rule::new(
        "password-hash",
        &[
            "$2a$",
            "$2b$",
            "$2y$",
            "$1$",
            "$5$",
            "$6$",
            "$y$",
            "$apr1$",
            "$argon2",
            "pbkdf2_sha",
            "{ssha",
            "scrypt$",
        ],
        concat!(
            r#"(\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{50,}|\$(?:[156y]|apr1)\$[^\s:$"']{1,40}(?:\$[^\s:$"']{1,40})?\$[./A-Za-z0-9]{20,}|\$argon2(?:id|i|d)\$[^\s:"']{30,}"#,
            r#"|pbkdf2_sha[0-9]+\$[0-9]+\$[^\s"'$]+\$[^\s"':]{16,}|\{SSHA[0-9]*\}[A-Za-z0-9+/=]{20,}|scrypt\$[^\s"':]{30,})"#,
        ),
        |_| true,
    ),
    // RFC 7517, RFC 7518.
    Rule::new(
        "private-jwk",
        &["kty"],
        r#"\\*"(?:d|p|q|dp|dq|qi|k)\\*"\s*:\s*\\*"([A-Za-z0-9_-]{22,})"#,
        is_chance,
    ),
    Rule::new(
        "signature",
        &["signature="],
        r"(?i)signature=([0-9a-f]{64,}|[A-Za-z0-9%+/_-]{40,}={0,2})",
        is_chance,
    ),
    // BIP 39.
    Rule::new(
        "recovery-phrase",
        &["mnemonic", "phrase"],
        r#"(?i)(?:mnemonic|(?:seed|recovery|backup|secret)[ _-]?phrase)\\*["']?(?:\s*[:=]+\s*|\s+is:?\s+)\\*["']?((?:[a-z]{3,8} ){11,23}[a-z]{3,8})(?-u:\b)"#,
        |_| true,
    ),
    Rule::new(
        "putty-key",
        &["private-lines"],
        r"(?i)private-lines:\s*[0-9]+(?:\s|\\[nr])+([a-z0-9+/=]{4,}(?:(?:\s|\\[nr])+[a-z0-9+/=]{20,})*)",
        |_| true,
    ),
    Rule::new(
        "static-key",
        &["static key v1"],
        r"(-----BEGIN OpenVPN Static key V1-----(?s:.*?)-----END OpenVPN Static key V1-----)",
        |_| true,
    ),
    // Of vendors that the set lacks.
    Rule::new(
        "vendor-token",
        &[
            "akid",
            "xkeysib-",
            "tskey-",
            "rzp_live_",
            "rzp_test_",
            "sqp_",
            "squ_",
            "sqa_",
            "nfp_",
            "napi_",
            "bkua_",
            "ccipat_",
            "cfpat-",
            "atbb",
            "atcttt",
            "atctt3",
            "atta",
            "tfp_",
            "pat-na1-",
            "pat-eu1-",
            "dp.st.",
            "rnd_",
            "nrii-",
            "secret_",
            "sk.eyj",
            "phx_",
            "phc_",
            "dbtc_",
            "glhc_",
            "pnu_",
            "aqvn",
            "snyk_",
            "vcp_",
            "ops_",
            "lsv2_",
            "tvly-",
            "csk-",
            "sdk-",
            "key_live_",
        ],
        concat!(
            r"(?:(?-u:\b)|_|\\[nrt])(AKID[A-Za-z0-9]{32,}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|tskey-[a-z]+-[A-Za-z0-9-]{16,}|rzp_(?:live|test)_[A-Za-z0-9]{14,}",
            r"|sq[pua]_[a-f0-9]{40}|nfp_[A-Za-z0-9]{36,}|napi_[a-z0-9]{40,}|bkua_[a-f0-9]{40}|CCIPAT_[A-Za-z0-9_]{40,}|CFPAT-[A-Za-z0-9_-]{43,}",
            r"|ATBB[A-Za-z0-9]{28,}|ATCTT[A-Za-z0-9_=-]{60,}|ATTA[a-f0-9]{60,}|tfp_[A-Za-z0-9_]{40,}|pat-(?:na|eu)1-[a-f0-9-]{36}|dp\.st\.[a-z0-9_.-]*[A-Za-z0-9]{40,}|rnd_[A-Za-z0-9]{28,}",
            r"|NRII-[A-Za-z0-9_-]{32}|secret_[A-Za-z0-9]{40,}|sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}|ph[xc]_[A-Za-z0-9]{40,}|dbtc_[A-Za-z0-9_-]{36,}|glhc_[A-Za-z0-9]{36,}|pnu_[A-Za-z0-9]{36}|AQVN[A-Za-z0-9_-]{35,}",
            r"|snyk_[a-z]+\.[A-Za-z0-9._-]{40,}|vcp_[A-Za-z0-9]{24,}|ops_eyJ[A-Za-z0-9+/=]{100,}|lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|tvly-[A-Za-z0-9-]{30,}|csk-[a-z0-9]{40,}",
            r"|sdk-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}|key_live_[A-Za-z0-9]{20,})",
        ),
        is_vendor_chance,
    ),
];

/// As chance makes it, with digits.
fn is_chance(secret: &str) -> bool {
    Chance::of(secret).is_random_with_digits()
}

/// Behind a beginning that says little, no name of many words.
fn is_vendor_chance(secret: &str) -> bool {
    let (_, body) = secret.split_at_checked(3).unwrap_or_default();
    is_chance(body)
}

/// As in a header: random, or base64 to its end.
fn is_credential(secret: &str) -> bool {
    let is_base64 = secret.len() >= 8 && secret.ends_with('=');
    (is_base64 || Chance::of(secret).is_random()) && !secret.starts_with(['$', '{', '<', '%'])
}

/// A password that is set: no template, no variable, no word of a document.
fn is_password(secret: &str) -> bool {
    is_secret(secret, Strength::Password, Style::Quoted, 0)
        && secret.bytes().any(|b| b.is_ascii_alphabetic())
}

/// No word of the sentence that a person reads there.
fn is_typed(secret: &str) -> bool {
    is_secret(secret, Strength::Password, Style::Prose, 0)
}
