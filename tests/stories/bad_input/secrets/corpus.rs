//! Secrets of many kinds, put together at run time: no scanner of this repository finds one in it.

const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BECH32: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const WORD: &str = "aB3dE5gH7jK9mN1pQ";

/// What begins a credential, what it goes on with, and what it is.
const BARE: [(&str, &str, usize, &str); 28] = [
    ("AKIA", UPPER, 16, "aws-access-key"),
    ("AIza", WORD, 35, "google-api-key"),
    ("GOCSPX-", WORD, 28, "google-oauth"),
    ("dop_v1_", HEX, 64, "digitalocean-token"),
    ("HRKU-", WORD, 36, "heroku-key"),
    ("fo1_", WORD, 43, "fly-token"),
    ("ghp_", WORD, 36, "github-token"),
    ("github_pat_", WORD, 82, "github-token"),
    ("glpat-", WORD, 20, "gitlab-token"),
    ("ATATT3", WORD, 80, "atlassian-token"),
    ("npm_", WORD, 36, "npm-token"),
    ("pypi-", WORD, 80, "pypi-token"),
    ("cio", WORD, 32, "crates-token"),
    ("rubygems_", HEX, 48, "rubygems-key"),
    ("dckr_pat_", WORD, 27, "docker-token"),
    ("sk-ant-api03-", WORD, 90, "anthropic-key"),
    ("sk-proj-", WORD, 48, "openai-key"),
    ("hf_", WORD, 34, "huggingface-token"),
    ("gsk_", WORD, 52, "model-key"),
    ("xoxb-", WORD, 40, "slack-token"),
    ("123456789:AA", WORD, 33, "telegram-token"),
    ("key-", HEX, 32, "mail-key"),
    ("sk_live_", WORD, 24, "stripe-key"),
    ("sq0atp-", WORD, 22, "square-token"),
    ("shpat_", HEX, 32, "shopify-token"),
    ("hvs.", WORD, 40, "vault-token"),
    ("lin_api_", WORD, 40, "service-token"),
    ("AGE-SECRET-KEY-1", BECH32, 58, "age-key"),
];

/// One secret as a person would write it down.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) text: String,
    /// What must never be found anywhere.
    pub(super) needle: String,
    /// What it is, for people.
    pub(super) kind: &'static str,
}

/// All kinds, the same ones in every run.
pub(super) fn secrets() -> Vec<Secret> {
    let bare = BARE.into_iter().enumerate();
    let mut all: Vec<_> = bare
        .map(|(seed, (start, alphabet, length, kind))| {
            let needle = format!("{start}{}", noise(seed, alphabet, length));
            surrounded("see ", needle, " there", kind)
        })
        .collect();
    let word = |seed: usize, length| noise(100 + seed, WORD, length);
    let lines = [word(1, 64), word(2, 64)].join("\n");
    let begin = ["-----BEGIN RSA PRIVATE", " KEY-----\n"].concat();
    let end = ["\n-----END RSA PRIVATE", " KEY-----"].concat();
    all.push(Secret {
        text: format!("{begin}{lines}{end}"),
        needle: word(2, 64),
        kind: "private-key",
    });
    let jwt = format!("eyJ{}.eyJ{}.{}", word(3, 20), word(4, 30), word(5, 40));
    all.push(surrounded("got ", jwt, "", "jwt"));
    all.extend([
        surrounded("redis://user:", word(6, 14), "@host:6379", "url-password"),
        surrounded("Authorization: Bearer ", word(7, 24), "", "authorization"),
        surrounded(r#"{"password": ""#, word(8, 16), r#""}"#, "quoted-secret"),
        surrounded("DB_PASSWORD=", word(9, 14), "", "assigned-password"),
        surrounded("api_key: ", word(10, 20), "", "assigned-secret"),
        surrounded("aws_secret_key=", word(11, 40), " ", "aws-secret-key"),
        surrounded("AccountKey=", word(12, 86) + "==", ";", "azure-key"),
        surrounded(
            "SG.",
            word(13, 22) + "." + &word(14, 43),
            "",
            "sendgrid-key",
        ),
        surrounded("twilio ", noise(115, HEX, 32), "", "twilio-key"),
    ]);
    all
}

fn surrounded(before: &str, needle: String, after: &str, kind: &'static str) -> Secret {
    Secret {
        text: format!("{before}{needle}{after}"),
        needle,
        kind,
    }
}

/// Text that looks like chance, another for each seed.
fn noise(seed: usize, alphabet: &str, length: usize) -> String {
    let alphabet = alphabet.as_bytes();
    let mut state = (seed as u32 + 1).wrapping_mul(2_654_435_761);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(alphabet[(state >> 16) as usize % alphabet.len()])
    };
    std::iter::repeat_with(next).take(length).collect()
}
