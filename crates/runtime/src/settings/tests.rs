//! How the sources of the configuration come together, by the shared configuration's keys.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;

use super::digests::BY_FLAG;
use super::*;
use crate::config::Config;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn flags_win_over_environment_over_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shim.toml");
    std::fs::write(
        &file,
        "data_dir = '/from/file'\nredis_url = 'redis://file'\n[log]\nfilter = 'warn'\n",
    )
    .unwrap();
    let mut settings = Settings::gather(
        Some(&file),
        pairs(&[
            ("SHIM_REDIS_URL", "redis://env"),
            ("SHIM_LOG_FILTER", "debug"),
            ("HOME", "/h"),
        ]),
        pairs(&[("log.filter", "trace")]),
    )
    .unwrap();
    let config = Config::read(&mut settings);
    settings.finish().unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/from/file"));
    assert_eq!(config.redis_url.as_deref(), Some("redis://env"));
    assert_eq!(config.log.filter, "trace");
}

#[test]
fn every_error_is_reported_at_once() {
    let mut settings = Settings::gather(
        None,
        pairs(&[("SHIM_LISTEN", "nonsense"), ("SHIM_TYPO", "1")]),
        pairs(&[("log.format", "xml"), ("no.such", "x")]),
    )
    .unwrap();
    Config::read(&mut settings);
    let errors = settings.finish().unwrap_err().0;
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(
        errors
            .iter()
            .any(|e| e.contains("SHIM_LISTEN") && e.contains("127.0.0.1:50051"))
    );
    assert!(errors.iter().any(|e| e.contains("SHIM_TYPO")));
    assert!(errors.iter().any(|e| e.contains("--log-format")));
    assert!(errors.iter().any(|e| e.contains("no.such")));
}

#[test]
fn a_key_can_be_read_by_several_crates() {
    let env = pairs(&[
        ("SHIM_REDIS_URL", "redis://env"),
        ("SHIM_LISTEN", "nonsense"),
    ]);
    let mut settings = Settings::gather(None, env, []).unwrap();
    for _crate in 0..2 {
        assert_eq!(settings.get("redis_url"), Some("redis://env".to_owned()));
        assert_eq!(settings.get::<SocketAddr>("listen"), None);
    }
    assert_eq!(settings.finish().unwrap_err().0.len(), 1);
}

#[test]
fn what_a_worker_passes_to_its_programs_is_no_setting() {
    let env = pairs(&[("SHIM_TASK_ID", "t"), ("SHIM_TASK_LEASE", "7")]);
    assert!(Settings::gather(None, env, []).unwrap().finish().is_ok());
}

#[test]
fn a_value_outside_its_range_names_the_range() {
    let mut settings = Settings::gather(None, [], pairs(&[("n", "9")])).unwrap();
    assert_eq!(settings.get_within("n", 2_u64, 1..=5), 2);
    assert!(settings.finish().unwrap_err().0[0].contains("1..=5"));
}

fn from_file(text: &str, env: &[(&str, &str)]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shim.toml");
    std::fs::write(&file, text).unwrap();
    Settings::gather(Some(&file), pairs(env), []).unwrap()
}

#[test]
fn a_list_is_an_array_in_the_file_and_separated_by_commas_elsewhere() {
    let text = "args = ['-p', 'a,b', 3]\nnone = []\n[deep]\nlists = [['x']]\n";
    let mut settings = from_file(
        text,
        &[("SHIM_PLACES", " /a, /b ,"), ("SHIM_NUMBERS", "1,x")],
    );
    let texts = |list: &[&str]| Some(list.iter().map(|item| (*item).to_owned()).collect());
    assert_eq!(
        settings.get_list::<String>("args"),
        texts(&["-p", "a,b", "3"])
    );
    assert_eq!(settings.get_list::<String>("places"), texts(&["/a", "/b"]));
    assert_eq!(settings.get_list::<String>("none"), texts(&[]));
    assert_eq!(settings.get_list::<String>("unset"), None);
    assert_eq!(settings.get_list::<u32>("numbers"), None);
    assert_eq!(settings.get::<String>("args"), None);
    let errors = settings.finish().unwrap_err().0;
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("deep.lists"));
    assert!(errors[1].contains("SHIM_NUMBERS") && errors[1].contains("\"x\""));
    assert!(errors[2].contains("not a list"));
}

#[test]
fn names_are_found_in_the_file_and_in_the_environment() {
    let fields = ["program", "args", "allow_args"];
    let mut settings = from_file(
        "[tools.lint]\nprogram = 'eslint'\n[tools.code-mod]\nprogram = 'x'\nwrong = 1\n",
        &[
            ("SHIM_TOOLS_LINT_ALLOW_ARGS", "true"),
            ("SHIM_TOOLS_MY_TEST_PROGRAM", "t"),
            ("SHIM_TOOLS_PROGRAM", "nameless"),
        ],
    );
    let names = settings.names_below("tools", &fields);
    assert_eq!(Vec::from_iter(&names), ["code-mod", "lint", "my_test"]);
    for name in names {
        settings.get::<String>(&format!("tools.{name}.program"));
        settings.get::<bool>(&format!("tools.{name}.allow_args"));
    }
    let errors = settings.finish().unwrap_err().0;
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("tools.code-mod.wrong"));
    assert!(errors[1].contains("SHIM_TOOLS_PROGRAM"));
}

#[test]
fn settings_are_compared_by_digests_that_tell_no_value() {
    let digests = |env: &[(&str, &str)], flags: &[(&str, &str)]| {
        let mut settings = Settings::gather(None, pairs(env), pairs(flags)).unwrap();
        let _: Option<String> = settings.get("redis_url");
        let _: Option<Vec<String>> = settings.get_list("worker.roots");
        settings.digests()
    };
    let env = [
        ("SHIM_REDIS_URL", "redis://:secret@h"),
        ("SHIM_WORKER_ROOTS", "/a,/b"),
    ];
    let one = digests(&env, &[]);
    assert_eq!(one, digests(&env, &[]));
    assert_eq!(one.len(), 2);
    assert!(!format!("{one:?}").contains("secret"));
    let other = digests(&env[..1], &[("worker.roots", "/a")]);
    assert_eq!(one["redis_url"], other["redis_url"]);
    assert_eq!(other["worker.roots"], BY_FLAG);
}
