#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use prost_types::value::Kind;
use prost_types::{Struct, Value};

use super::*;

/// Random-looking text of a length, made at run time: no scanner of this repository finds a secret in it.
fn noise(alphabet: &str, length: usize) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state: u32 = 7;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            alphabet[(state >> 16) as usize % alphabet.len()]
        })
        .collect()
}

const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const WORD: &str = "aB3dE5gH7jK9mN1pQ";

/// A text, the secret in it and the rule that finds it.
fn secrets() -> Vec<(String, String, &'static str)> {
    let word = |length| noise(WORD, length);
    let hex = |length| noise(HEX, length);
    let bare = |start: &str, rest: String, rule| {
        let secret = format!("{start}{rest}");
        (format!("see {secret} there"), secret, rule)
    };
    let within = |before: &str, secret: String, after: &str, rule| {
        (format!("{before}{secret}{after}"), secret, rule)
    };
    let key = |kind: &str| {
        let lines = [word(64), word(64), word(20)].join("\n");
        format!("-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----")
    };
    let edge = |edge: &str| format!("-----{edge} OpenVPN Static key V1-----");
    let static_key = [edge("BEGIN"), hex(32), edge("END")].join("\n");
    let jwt = format!("eyJ{}.eyJ{}.{}", word(20), word(30), word(40));
    vec![
        (
            "key:\n".to_owned() + &key("RSA PRIVATE KEY"),
            word(64),
            "private-key",
        ),
        (
            key("OPENSSH PRIVATE KEY").replace('\n', "\\n"),
            word(64),
            "private-key",
        ),
        bare("AGE-SECRET-KEY-1", noise(UPPER, 58), "age-key"),
        bare("AKIA", noise(UPPER, 16), "aws-access-key"),
        within("aws_secret_access_key = ", word(40), "\n", "aws-secret-key"),
        bare("AIza", word(35), "google-api-key"),
        bare("GOCSPX-", word(28), "google-oauth"),
        within(
            "AccountName=a;AccountKey=",
            word(86) + "==",
            ";",
            "azure-key",
        ),
        bare("dop_v1_", hex(64), "digitalocean-token"),
        bare("HRKU-", word(36), "heroku-key"),
        bare("fo1_", word(43), "fly-token"),
        bare("fm2_", word(70), "fly-token"),
        bare("ghp_", word(36), "github-token"),
        bare("ghs_", word(60), "github-token"),
        bare("github_pat_", word(30), "github-token"),
        bare("github_pat_", word(82), "github-token"),
        bare("glpat-", word(20), "gitlab-token"),
        bare("glpat-", word(20) + ".01." + &word(9), "gitlab-token"),
        bare("glrt-", word(30), "gitlab-token"),
        bare("ATATT3", word(80), "atlassian-token"),
        bare("npm_", word(36), "npm-token"),
        bare("npm_", word(40), "npm-token"),
        bare("pypi-", word(80), "pypi-token"),
        bare("cio", word(32), "crates-token"),
        bare("rubygems_", hex(48), "rubygems-key"),
        bare("dckr_pat_", word(27), "docker-token"),
        bare("sk-ant-", "api03-".to_owned() + &word(90), "anthropic-key"),
        bare("sk-proj-", word(48), "openai-key"),
        bare("hf_", word(34), "huggingface-token"),
        bare("r8_", word(37), "model-key"),
        bare("gsk_", word(52), "model-key"),
        bare("xai-", word(60), "model-key"),
        bare("pplx-", word(40), "model-key"),
        bare("xoxb-", word(40), "slack-token"),
        within(
            "https://hooks.slack.com/services/",
            word(40),
            " x",
            "webhook",
        ),
        bare("123456789:AA", word(33), "telegram-token"),
        bare("SG.", word(22) + "." + &word(43), "sendgrid-key"),
        bare("key-", hex(32), "mail-key"),
        within(
            "TWILIO_SID: ",
            "SK".to_owned() + &hex(32),
            " x",
            "twilio-key",
        ),
        bare("sk_live_", word(24), "stripe-key"),
        bare("sq0atp-", word(22), "square-token"),
        bare("sq0csp-", word(30) + "-" + &word(30), "square-token"),
        bare("shpat_", hex(32), "shopify-token"),
        bare("hvs.", word(40), "vault-token"),
        bare("hvs.", word(20) + "-" + &word(20), "vault-token"),
        bare("", word(14) + ".atlasv1." + &word(64), "terraform-token"),
        bare("glsa_", word(32) + "_" + &hex(8), "grafana-token"),
        bare("lin_api_", word(40), "service-token"),
        bare("ntn_", word(46), "service-token"),
        bare("sntrys_", word(60), "service-token"),
        bare("sbp_", hex(44), "service-token"),
        bare("pul-", hex(48), "service-token"),
        // Known to the set alone.
        bare("clojars_", word(60), "clojars-api-token"),
        ("got ".to_owned() + &jwt, jwt, "jwt"),
        within("redis://user:", word(12), "@host:6379/0", "url-password"),
        within("Authorization: Bearer ", word(24), "\n", "authorization"),
        within("https://", word(40), "@host/repo.git", "url-token"),
        within(
            "curl -u ada:",
            word(14),
            " https://host",
            "command-password",
        ),
        within("app:", word(14), "@tcp(db:3306)/shop", "dsn-password"),
        within("db:5432:shop:app:", word(14), "\n", "pgpass"),
        bare("$2b$12$", word(53), "password-hash"),
        within(r#"{"kty":"OKP","d":""#, word(43), r#""}"#, "private-jwk"),
        within("?X-Amz-Signature=", hex(64), "&a=b", "signature"),
        within(
            "mnemonic: ",
            "velvet canyon ".repeat(6).trim_end().to_owned(),
            "\n",
            "recovery-phrase",
        ),
        within("Private-Lines: 1\n", word(64), "\n", "putty-key"),
        within("", static_key, "\n", "static-key"),
        bare("squ_", hex(40), "vendor-token"),
        within("Cookie: theme=dark; sid=", word(32), "; lang=en", "cookie"),
        within(
            r#"{"client_secret": ""#,
            "correct horse".to_owned(),
            r#""}"#,
            "quoted-secret",
        ),
        within(
            r#"{"password": String(""#,
            "battery staple".to_owned(),
            r#"")}"#,
            "quoted-secret",
        ),
        within(
            r#"{\"password\":\""#,
            "horse battery".to_owned(),
            r#"\"}"#,
            "quoted-secret",
        ),
        within(
            "DB_PASSWORD=",
            "hunter".to_owned() + "2",
            "\n",
            "assigned-password",
        ),
        within(
            "password: ",
            "hunter".to_owned() + "22",
            "\n",
            "assigned-secret",
        ),
        within("api_key = ", word(20), "\n", "assigned-secret"),
        within(
            "['curl', '-u', 'bob:",
            word(16),
            "', url]",
            "listed-password",
        ),
        within(
            "[\"mysql\", \"-u\", \"root\", \"-p",
            word(16),
            "\"]",
            "listed-password",
        ),
        within(
            "[sshpass, -p, ",
            word(16),
            ", ssh, host]",
            "listed-password",
        ),
        within("Password for bob: ", word(16), "\n", "typed-password"),
        within("api_key:\n  ", word(20), "\n", "assigned-secret"),
        within(
            "client_secret:\n\t\"",
            "stapled horse".to_owned(),
            "\"",
            "quoted-secret",
        ),
    ]
}

#[test]
fn every_pattern_compiles_and_finds_its_secret() {
    let mut tried = std::collections::BTreeSet::new();
    for (secret_text, secret, rule) in secrets() {
        let redacted = text(&secret_text);
        assert!(!redacted.contains(&secret), "{rule}: {redacted}");
        assert!(
            redacted.contains(&format!("[redacted:{rule}]")),
            "{rule}: {redacted}"
        );
        assert_eq!(text(&redacted), redacted, "{rule} is not done at once");
        tried.insert(rule);
    }
    // What is secret by its name alone is tried below, and the maintained set beside its table.
    let others = [names::RULE, rules::VENDOR];
    for rule in rules::names().filter(|rule| !others.contains(rule)) {
        assert!(tried.contains(rule), "no text for {rule}");
    }
}

#[test]
fn a_secret_is_found_in_escaped_text_as_in_plain_text() {
    for (secret_text, secret, rule) in secrets() {
        let line = serde_json::json!({ "message": format!("first\n{secret_text}") }).to_string();
        let redacted = text(&line);
        assert!(!redacted.contains(&secret), "{rule}: {redacted}");
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&redacted);
        assert!(parsed.is_ok(), "{rule} leaves no JSON: {redacted}");
    }
}

#[test]
fn a_secret_is_found_inside_a_sentence_without_spaces() {
    for (secret_text, secret, rule) in secrets() {
        let alone = secret_text.strip_prefix("see ").unwrap_or(&secret_text);
        let alone = alone.strip_suffix(" there").unwrap_or(alone);
        for letter in ["日", "é"] {
            let redacted = text(&format!("{letter}{alone}{letter}")).into_owned();
            assert!(!redacted.contains(&secret), "{rule}: {redacted}");
            assert!(redacted.contains("[redacted:"), "{rule}: {redacted}");
        }
    }
}

#[test]
fn a_secret_inside_of_what_is_none_is_found() {
    let text = "token:\n/path?token=k3yW1thN0F0rm and on";
    assert_eq!(
        super::text(text),
        "token:\n/path?token=[redacted:assigned-secret] and on"
    );
}

#[test]
fn what_is_no_secret_stays_byte_for_byte() {
    let image = format!("data:image/png;base64,{}", noise("aB3+/dE5gHAKIA", 4_000));
    let tables =
        "/8QAtRAAAgEDAwIEAwUFBAQAAAF9/EAAAAIBAQEBAQEAAAAAAAECAwQFBgcICQo5L/EAB8BAAMBAQEBAQEB"
            .repeat(3);
    let hash = noise(HEX, 64);
    let git = noise(HEX, 40);
    let harmless = [
        "The parser splits tokens; the token bucket refills. Password reset comes next: it is the secret of the design.",
        "the password: it must be long, and the token: one for each worker",
        "let token = lease.token(); let password = read_password(file)?; self.secret = config.secret;",
        "fn login(password: &str, token: Option<String>) -> Result<(), Error> { todo() }",
        "login(user=user, password=config.password, token=args.token)",
        "fencing_token=12345678 page_size=10 max_tokens=4096 estimated_tokens: 150000",
        "basic understanding of bearer authentication, a basic TypeScript5 course",
        "see https://example.org:8080/a?b=c and redis://localhost:6379/0, or user@example.org",
        "password=${DB_PASSWORD} token=<your token> PWD=/root/project OLDPWD=/tmp",
        "export API_KEY=\"$KEY\"; password: \"********\"",
        "src/auth/token.rs, services/checkpoint/src/store/secret.rs:120, ~/.config/shim.toml",
        "01890a5d-ac96-774b-bcce-b302099a8057 task-0123456789-abcdefgh-ABCDEFGH",
        "risk-assessment-of-the-whole-system sk-learn-is-a-library-for-python-users",
        "Asia, cionaries, monkey-patch, keyword: value, the key: door",
        "日本語のテキスト … ünïcödé, emoji 🙂 and\ttabs\r\n",
        &format!("commit {git}, blake3 {hash}, sha256:{hash}"),
        &format!(
            "datadog agent = {git}, cloudflare build: {hash}, etsy_branch = '{git}', discord: 123456789012345678"
        ),
        &format!(
            "as_mut_ptr_{git} test_{git} key_{git} ghp_handler_of_github_pull_requests_for_reviews"
        ),
        "mistral_loader_MistralForCausalLM_x eu1.dataProcessingServiceEndpoint tss_handler-computeNextState",
        &format!(
            "pk_live_{git} sb_publishable_{git} FLWPUBK-{git}-X pubkey-{}",
            &git[..32]
        ),
        "pub-c-01890a5d-ac96-774b-bcce-b302099a8057",
        &image,
        &tables,
    ];
    for kept in harmless {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn what_stands_under_a_secret_name_is_taken_out_whole() {
    let string = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let mut free = Struct {
        fields: [
            ("apiKey", "abc"),
            ("Access-Token", "horse battery"),
            ("tokens", "150"),
            ("author", "me"),
        ]
        .map(|(name, value)| (name.to_owned(), string(value)))
        .into(),
    };
    data(&mut free);
    let shown = |name: &str| match &free.fields[name].kind {
        Some(Kind::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown("apiKey"), "[redacted:named-field]");
    assert_eq!(shown("Access-Token"), "[redacted:named-field]");
    assert_eq!(
        (shown("tokens"), shown("author")),
        ("150".to_owned(), "me".to_owned())
    );
    let once = free.clone();
    data(&mut free);
    assert_eq!(free, once);
}

#[test]
fn data_is_read_by_its_names_and_pairs() {
    let string = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let object = |fields: &[(&str, Value)]| Struct {
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    };
    let random = noise(WORD, 32);
    let table = [
        (object(&[("token", string(&random))]), true),
        (object(&[("token", string("IDENT"))]), false),
        (object(&[("password", string("required"))]), false),
        (object(&[("credentials", string("same-origin"))]), false),
        (
            object(&[("name", string("DB_PASS")), ("value", string(&random))]),
            true,
        ),
        (
            object(&[("name", string("THEME")), ("value", string("dark mode"))]),
            false,
        ),
    ];
    for (mut free, is_secret) in table {
        let before = free.clone();
        let mut nested = object(&[(
            "outer",
            Value {
                kind: Some(Kind::StructValue(free.clone())),
            },
        )]);
        data(&mut free);
        data(&mut nested);
        assert_eq!(free != before, is_secret, "{free:?}");
        assert_eq!(format!("{nested:?}").contains("[redacted:"), is_secret);
    }
    let inner = object(&[("value", string(&random)), ("type", string("string"))]);
    let mut outer = object(&[(
        "token",
        Value {
            kind: Some(Kind::StructValue(inner)),
        },
    )]);
    data(&mut outer);
    let shown = format!("{outer:?}");
    assert!(
        !shown.contains(&random) && shown.contains("string"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn redacting_again_changes_nothing(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(secrets()).prop_map(|(text, ..)| text),
                "[ -~]{0,30}",
                "\\PC{0,20}",
                Just("password=".to_owned()),
                Just("\"token\": \"".to_owned()),
            ],
            0..8,
        )
    ) {
        let once = text(&parts.concat()).into_owned();
        prop_assert_eq!(text(&once), once.as_str());
    }
}
