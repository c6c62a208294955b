//! Counts the code's shape: `census [CHECKOUT [EARLIER CHECKOUT]]` prints each figure, with two checkouts as before -> after.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::path::Path;
use std::process::ExitCode;

use shim_tests::census::Census;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = arguments.first().map_or(".", String::as_str);
    let before = arguments.get(1).map(String::as_str);
    match print(after, before) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            eprintln!("hint: name the folder of a checkout");
            ExitCode::FAILURE
        }
    }
}

fn print(after: &str, before: Option<&str>) -> std::io::Result<()> {
    let after = Census::of(Path::new(after))?;
    let before = before
        .map(|folder| Census::of(Path::new(folder)))
        .transpose()?;
    let row = |name: &str, figure: &dyn Fn(&Census) -> usize| {
        let now = figure(&after);
        match &before {
            Some(before) => println!("{name:<48} {:>7} -> {now}", figure(before)),
            None => println!("{name:<48} {now:>7}"),
        }
    };
    row("lines of production code, Rust", &|it| it.lines);
    row("lines of production code, Lua", &|it| it.lua_lines);
    row("circles of imports", &|it| it.circles.len());
    row("files in circles of imports", &Census::files_in_circles);
    row("uses of ARGV[n]", &|it| it.positional_arguments.len());
    row("files over 400 lines", &|it| it.long_files.len());
    row("functions over 40 lines", &|it| it.long_functions.len());
    row(
        "names Place/Answer/Held/Told/Desk/Crew on types",
        &Census::ambiguous_names,
    );
    row("types that bear them", &|it| it.ambiguous_types.len());
    row("spawns without an owner", &|it| it.unowned_spawns.len());
    println!();
    for circle in &after.circles {
        let files: Vec<_> = circle
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        println!("circle: {}", files.join(" "));
    }
    for (file, lines) in &after.long_files {
        println!("file over 400 lines: {} {lines}", file.display());
    }
    for (file, name, lines) in &after.long_functions {
        println!("function over 40 lines: {}::{name} {lines}", file.display());
    }
    for (file, line) in &after.unowned_spawns {
        println!("spawn without an owner: {}:{line}", file.display());
    }
    Ok(())
}
