//! The image: what builds it, and what manifests expect of it.

use std::path::Path;

use crate::files::read;

/// The words after an instruction, of all its lines.
fn instructions<'f>(file: &'f str, name: &str) -> Vec<&'f str> {
    file.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
}

#[test]
fn a_toolchain_that_is_new_enough_builds_it() {
    let file = read("Dockerfile");
    let from = instructions(&file, "FROM");
    let (_, version) = from[0].split_once("rust:").unwrap();
    let (version, _) = version.split_once('-').unwrap();
    let numbers = |text: &str| -> Vec<u32> {
        text.split('.').take(2).map(|part| part.parse().unwrap()).collect()
    };
    assert!(numbers(version) >= numbers(env!("CARGO_PKG_RUST_VERSION")), "{version}");
}

#[test]
fn it_runs_as_the_user_of_the_manifests() {
    let file = read("Dockerfile");
    assert_eq!(instructions(&file, "USER"), ["65532:65532"]);
    assert_eq!(instructions(&file, "ENTRYPOINT"), [r#"["/usr/local/bin/trimtab"]"#]);
    assert_eq!(instructions(&file, "EXPOSE"), ["9464 9465"]);
    let helpers = read("helm/trimtab/templates/_names.tpl");
    for path in ["kustomize/controller/deployment.yaml", "kustomize/keda-scaler/deployment.yaml"] {
        assert!(read(path).contains("runAsUser: 65532\n"), "{path}");
    }
    assert!(helpers.contains("runAsUser: 65532\n"));
}

/// Cargo reads the manifest of each member before it builds one.
#[test]
fn all_of_the_workspace_is_sent_to_the_builder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("\nmembers = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let sent = read("Dockerfile.dockerignore");
    let is_sent = |path: &str| sent.lines().any(|line| line.strip_prefix('!') == Some(path));
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        let folder = member.split('/').next().unwrap();
        assert!(is_sent(folder), "`{member}` is not in `Dockerfile.dockerignore`");
    }
    assert!(is_sent("Cargo.toml") && is_sent("Cargo.lock"));
}

/// A folder of sources may be called as one that is built into.
#[test]
fn no_source_is_kept_from_the_builder() {
    let sent = read("Dockerfile.dockerignore");
    let lines = sent.lines().filter(|line| !line.starts_with(['#', '!']) && *line != "**");
    let kept: Vec<Vec<&str>> = lines.map(|line| line.split('/').collect()).collect();
    let is_kept = |path: &[String]| {
        kept.iter().any(|line| {
            let alike = line.iter().zip(path).all(|(part, name)| *part == "*" || part == name);
            assert!(!line.contains(&"**"), "this test does not know `**` in the middle");
            alike && line.len() <= path.len()
        })
    };
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["crates", "benches", "examples", "tests", "xtask"] {
        below(&root.join(folder), &mut vec![folder.to_owned()], &mut sources);
    }
    assert!(sources.len() > 500);
    for path in sources {
        assert!(!is_kept(&path), "{} is not sent", path.join("/"));
    }
}

/// The paths of Rust's files, but for those of a build.
fn below(folder: &Path, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if folder.join("CACHEDIR.TAG").exists() {
        return;
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        at.push(path.file_name().unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            below(&path, at, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(at.clone());
        }
        at.pop();
    }
}
