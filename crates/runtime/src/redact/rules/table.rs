//! The rules that the maintained set lacks: secrets that only their surroundings reveal, and vendors' keys with a prefix
//! too short for it. Common keys of the set are here again because it wants their whole length and an end of the
//! word behind: one that is cut off, longer than it was, or glued to other text is found by its looser form.
//!
//! `B!` begins a pattern whose secret must not stand inside a longer word of ASCII; in escaped text (JSON, `Debug`) the
//! letter of `\n` may be right before it. Other letters, as of a sentence without spaces, are no part of a secret's word.

use super::rule::Rule;
use crate::redact::named::Chance;

macro_rules! B {
    ($pattern:literal) => {
        concat!(r"(?:(?-u:\b)|_|\\[nrt])(", $pattern, ")")
    };
}

/// White space, written out or escaped.
macro_rules! gap {
    () => {
        r"(?:\s|\\+[nrt])*"
    };
}

/// All rules, in the order they are applied.
pub(super) static RULES: [Rule; 36] = [
    // RFC 7468, OpenSSH, PGP (RFC 9580), headers (RFC 1421); with its end, or cut off somewhere inside.
    Rule::new(
        "private-key",
        &["private key"],
        concat!(
            r"(-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)-----END[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----)",
            r"|(-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:",
            gap!(),
            r"[A-Za-z][A-Za-z-]*: [^\r\n\\]*)*",
            gap!(),
            "(?:[A-Za-z0-9+/=]{16,}",
            gap!(),
            ")+)",
        ),
        any,
    ),
    Rule::new(
        "age-key",
        &["age-secret-key-"],
        r"(?i)(AGE-SECRET-KEY-1[0-9A-Z]{58,})",
        any,
    ),
    // Clouds.
    Rule::new(
        "aws-access-key",
        &["akia", "asia", "abia", "acca"],
        B!("(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
        any,
    ),
    Rule::new(
        "aws-secret-key",
        &["aws"],
        concat!(
            r#"(?i)aws[\w .-]{0,20}(?:secret|key)[\w .-]{0,20}["'\\]*\s*(?:=>|=|:)"#,
            gap!(),
            r#"["'\\]*([a-z0-9/+]{40})(?:[^a-z0-9/+=]|$)"#,
        ),
        any,
    ),
    Rule::new(
        "google-api-key",
        &["aiza"],
        B!("AIza[A-Za-z0-9_-]{35,}"),
        any,
    ),
    Rule::new(
        "google-oauth",
        &["gocspx-", "ya29."],
        B!(r"GOCSPX-[A-Za-z0-9_-]{28,}|ya29\.[A-Za-z0-9_-]{20,}"),
        any,
    ),
    Rule::new(
        "azure-key",
        &["accountkey", "sharedaccesskey", "q~", "sig="],
        r"(?:(?i:AccountKey|SharedAccessKey)=|[?&;]sig=)([A-Za-z0-9+/%]{30,}={0,2})|(?:(?-u:\b)|_)([A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})",
        any,
    ),
    Rule::new(
        "digitalocean-token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        B!("do[opr]_v1_[a-f0-9]{64,}"),
        any,
    ),
    Rule::new("heroku-key", &["hrku-"], B!("HRKU-[A-Za-z0-9_-]{30,}"), any),
    Rule::new(
        "fly-token",
        &["fo1_", "fm2_"],
        B!("fo1_[A-Za-z0-9_-]{43,}|fm2_[A-Za-z0-9+/=]{60,}"),
        any,
    ),
    // Code and its packages.
    Rule::new(
        "github-token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        B!("gh[opusr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"),
        any,
    ),
    Rule::new(
        "gitlab-token",
        &[
            "glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "glft-", "glimt-", "glagent-",
            "gloas-", "glsoat-",
        ],
        B!("gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat)-[A-Za-z0-9_.-]{20,}"),
        is_chance,
    ),
    Rule::new(
        "atlassian-token",
        &["atatt3"],
        B!("ATATT3[A-Za-z0-9_=-]{60,}"),
        any,
    ),
    Rule::new("npm-token", &["npm_"], B!("npm_[A-Za-z0-9]{36,}"), any),
    Rule::new(
        "pypi-token",
        &["pypi-"],
        B!("pypi-[A-Za-z0-9_-]{50,}"),
        is_chance,
    ),
    Rule::new("crates-token", &["cio"], B!("cio[A-Za-z0-9]{32}"), is_mixed),
    Rule::new(
        "rubygems-key",
        &["rubygems_"],
        B!("rubygems_[a-f0-9]{48,}"),
        any,
    ),
    Rule::new(
        "docker-token",
        &["dckr_"],
        B!("dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
        any,
    ),
    // Models.
    Rule::new(
        "anthropic-key",
        &["sk-ant-"],
        B!("sk-ant-[A-Za-z0-9_-]{20,}"),
        is_chance,
    ),
    Rule::new(
        "openai-key",
        &["sk-"],
        B!("sk-[A-Za-z0-9_-]{20,}"),
        is_chance,
    ),
    Rule::new(
        "huggingface-token",
        &["hf_", "api_org_"],
        B!("(?:hf|api_org)_[A-Za-z0-9]{30,}"),
        any,
    ),
    Rule::new(
        "model-key",
        &["gsk_", "xai-", "pplx-", "r8_"],
        B!("gsk_[A-Za-z0-9]{48,}|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37,}"),
        any,
    ),
    // Messages and mail.
    Rule::new(
        "slack-token",
        &["xox", "xapp-"],
        B!("xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,}"),
        any,
    ),
    Rule::new(
        "webhook",
        &["hooks.slack.com", "/api/webhooks/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/_-]{20,})|/api/webhooks/[0-9]+/([A-Za-z0-9_-]{40,})",
        any,
    ),
    Rule::new(
        "telegram-token",
        &[":aa"],
        r"(?:(?-u:\b)|_|\\[nrt]|bot)([0-9]{8,10}:AA[A-Za-z0-9_-]{33})",
        any,
    ),
    Rule::new(
        "sendgrid-key",
        &["sg."],
        B!(r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        any,
    ),
    Rule::new(
        "mail-key",
        &["key-", "-us"],
        B!("key-[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]{1,2}"),
        any,
    ),
    Rule::new(
        "twilio-key",
        &["twilio"],
        r"(?i)twilio.{0,40}?(?-u:\b)((?:SK)?[0-9a-f]{32})(?-u:\b)",
        any,
    ),
    // Money.
    Rule::new(
        "stripe-key",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"],
        B!("(?:[rs]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{16,}"),
        any,
    ),
    Rule::new(
        "square-token",
        &["sq0", "eaaa"],
        B!("sq0[a-z]{3}-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60,}"),
        any,
    ),
    Rule::new(
        "shopify-token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        B!("shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}"),
        any,
    ),
    // Programs that operators run.
    Rule::new(
        "vault-token",
        &["hvs.", "hvb."],
        B!(r"hv[bs]\.[A-Za-z0-9_-]{24,}"),
        any,
    ),
    Rule::new(
        "terraform-token",
        &[".atlasv1."],
        B!(r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
        any,
    ),
    Rule::new(
        "grafana-token",
        &["glsa_", "glc_"],
        B!("glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8,}|glc_[A-Za-z0-9+/=]{32,}"),
        any,
    ),
    Rule::new(
        "service-token",
        &[
            "dapi", "nrak-", "pmak-", "lin_api_", "ntn_", "sbp_", "figd_", "sntrys_", "sntryu_",
            "pscale_", "pul-", "dp.pt.",
        ],
        B!(
            r"dapi[a-f0-9]{32,}|NRAK-[A-Z0-9]{27,}|PMAK-[a-f0-9]{24}-[a-f0-9]{34,}|lin_api_[A-Za-z0-9]{40,}|ntn_[A-Za-z0-9]{40,}|sbp_[a-f0-9]{40,}|figd_[A-Za-z0-9_-]{40,}|sntry[su]_[A-Za-z0-9+/=_-]{60,}|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}|pul-[a-f0-9]{40,}|dp\.pt\.[A-Za-z0-9]{40,}"
        ),
        any,
    ),
    // Forms that many share.
    Rule::new(
        "jwt",
        &["eyj"],
        B!(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}"),
        any,
    ),
];

fn any(_: &str) -> bool {
    true
}

/// Upper case, lower case and digits, as chance makes it and no word has.
fn is_mixed(secret: &str) -> bool {
    let has = |is: fn(&char) -> bool| secret.chars().any(|c| is(&c));
    has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

/// As chance makes it, and no name of many words: `sk-spinner-large-with-shadow2` is a class of a page.
fn is_chance(secret: &str) -> bool {
    Chance::of(secret).is_random_with_digits()
}
