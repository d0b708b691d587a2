//! The README of the example shows what its commands print.

use std::fs;

use crate::command::{Desk, example, trimtab};

/// The commands of the README's `console` blocks, each with its output.
fn commands(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ trimtab "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => {
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => panic!("output before any command: {line}"),
            },
        }
    }
    commands
}

#[test]
fn the_readme_shows_what_the_commands_print() {
    let desk = Desk::new();
    let entries = fs::read_dir(example()).unwrap().map(Result::unwrap);
    for entry in entries.filter(|entry| entry.path().is_file()) {
        desk.write(entry.file_name().to_str().unwrap(), fs::read(entry.path()).unwrap());
    }
    let readme = fs::read_to_string(example().join("README.md")).unwrap();
    let commands = commands(&readme);
    assert!(commands.len() >= 4);
    for (command, output) in commands {
        trimtab(command.split(' '))
            .current_dir(desk.directory())
            .assert()
            .success()
            .stdout_eq(output);
    }
}
