//! A stack serves everybody with what its first starter had: who asks from another shell is told the difference.

use shim_tests::temp_env::TempEnv;

use super::{command, ended, run, shim};

#[tokio::test(flavor = "multi_thread")]
async fn a_poor_first_starter_is_told_from_a_full_shell() {
    let temp = TempEnv::new();
    let tools = temp.root().join("tools");
    std::fs::create_dir(&tools).unwrap();
    std::os::unix::fs::symlink("/bin/true", tools.join("build-it")).unwrap();
    let config = temp.root().join("shim.toml");
    let settings = format!(
        "worker.roots = ['{}']\n[worker.executors.build]\nkind = 'command'\nprogram = 'build-it'\nenv = ['BUILD_KEY', 'BUILD_HOME']\n",
        temp.project().display()
    );
    std::fs::write(&config, settings).unwrap();
    let mut start = command(&temp, &["up", "--detach", "--listen", "127.0.0.1:0"]);
    start
        .env("PATH", "/usr/bin:/bin")
        .env("SHIM_CONFIG", &config)
        .env("BUILD_KEY", "the first key")
        .env("SHIM_TASKS_KEEP", "2h");
    let started = ended(&mut start).await;
    assert!(started.is_success, "{}", started.text);

    let path = format!("{}:/usr/bin:/bin", tools.display());
    let full_shell = |words: &[&str]| {
        let mut command = command(&temp, words);
        command
            .env("PATH", &path)
            .env("SHIM_CONFIG", &config)
            .env("BUILD_KEY", "another key")
            .env("BUILD_HOME", "/home/build")
            .env("SHIM_REDIS_URL", "redis://:secret@127.0.0.1:1");
        command
    };
    for words in [["doctor"].as_slice(), &["status"], &["tasks", "health"]] {
        let said = ended(&mut full_shell(words)).await.text;
        for part in [
            "build-it is not found there",
            "redis://127.0.0.1:1",
            "tasks.keep (set only for the stack)",
            "variables that executors pass on: BUILD_HOME (set only here), BUILD_KEY (another value)",
            "shim down && shim up --detach",
        ] {
            assert!(said.contains(part), "{words:?} lacks {part}: {said}");
        }
        for value in ["secret", "first key", "another key", "/home/build"] {
            assert!(!said.contains(value), "{said}");
        }
    }
    // From the shell that started it nothing differs.
    let mut same = command(&temp, &["doctor"]);
    same.env("PATH", "/usr/bin:/bin")
        .env("SHIM_CONFIG", &config)
        .env("BUILD_KEY", "the first key")
        .env("SHIM_TASKS_KEEP", "2h");
    let said = ended(&mut same).await.text;
    assert!(
        said.contains("the stack runs with this shell's PATH"),
        "{said}"
    );

    shim(&temp, &["down"]).await;
    let again = ended(
        full_shell(&["up", "--detach", "--listen", "127.0.0.1:0"]).env_remove("SHIM_REDIS_URL"),
    )
    .await;
    assert!(again.is_success, "{}", again.text);
    let said = ended(full_shell(&["doctor"]).env_remove("SHIM_REDIS_URL"))
        .await
        .text;
    assert!(
        said.contains("the stack runs with this shell's PATH"),
        "the step helps: {said}"
    );
    assert!(!run(&temp, &["status"]).await.text.contains("stopped"));
}
