//! What `cargo metadata` says of the workspace, reduced to what the checks ask.

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::shell;

/// Our crates and everybody else's.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The members.
    pub(super) members: Vec<Member>,
    /// Packages from elsewhere.
    pub(super) third_party: Vec<ThirdParty>,
    /// What could not be looked at, for people.
    pub(super) notes: Vec<String>,
}

/// One of our crates.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// Its manifest, from the root.
    pub(super) manifest: String,
    /// What it needs.
    pub(super) dependencies: Vec<Dependency>,
    /// Roots of its integration test targets, from the root.
    pub(super) test_roots: Vec<String>,
}

/// One dependency of a member.
#[derive(Debug)]
pub(super) struct Dependency {
    /// The package's name.
    pub(super) name: String,
    /// Needed by tests only.
    pub(super) is_dev: bool,
}

/// A package that is not ours.
#[derive(Debug)]
pub(super) struct ThirdParty {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its SPDX expression.
    pub(super) licence: Option<String>,
}

impl Workspace {
    /// Asks cargo; for the licences of all platforms if it can, else of this one.
    pub(super) fn load() -> Result<Self> {
        let mut notes = Vec::new();
        let complete = query(&["--locked", "--offline"]).or_else(|_| query(&["--locked"]));
        let metadata = match complete {
            Ok(metadata) => metadata,
            Err(error) => {
                let platform = shell::host()?;
                notes.push(format!(
                    "packages of other platforms are not at hand: only those of {platform} are checked"
                ));
                query(&["--locked", "--offline", "--filter-platform", &platform]).map_err(|_| error)?
            }
        };
        Ok(Self {
            members: metadata
                .workspace_packages()
                .into_iter()
                .map(|package| member(package, &metadata))
                .collect(),
            third_party: metadata
                .packages
                .iter()
                .filter(|package| package.source.is_some())
                .map(foreign)
                .collect(),
            notes,
        })
    }
}

fn query(options: &[&str]) -> Result<Metadata> {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let mut command = MetadataCommand::new();
    command.cargo_path(shell::cargo_path()).current_dir(shell::root()).other_options(options);
    Ok(command.exec()?)
}

fn member(package: &Package, metadata: &Metadata) -> Member {
    let from_root = |path: &cargo_metadata::camino::Utf8Path| {
        path.strip_prefix(&metadata.workspace_root).unwrap_or(path).to_string()
    };
    let tests = package.targets.iter().filter(|target| target.is_test());
    Member {
        name: package.name.to_string(),
        manifest: from_root(&package.manifest_path),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency.name.clone(),
                is_dev: dependency.kind == DependencyKind::Development,
            })
            .collect(),
        test_roots: tests.map(|target| from_root(&target.src_path)).collect(),
    }
}

fn foreign(package: &Package) -> ThirdParty {
    ThirdParty {
        name: package.name.to_string(),
        version: package.version.to_string(),
        licence: package.license.clone(),
    }
}
