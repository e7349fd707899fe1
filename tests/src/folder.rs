//! A folder for one test: removed when the test passes, kept under `artifacts/` when it fails.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where everything of one test lives.
pub struct Folder {
    temporary: Option<TempDir>,
    name: String,
}

impl Folder {
    /// An empty folder, named after the running test.
    pub fn new() -> Self {
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let temporary = tempfile::Builder::new().prefix("blockchat-test-").tempdir().expect("a temporary folder");
        Self { temporary: Some(temporary), name }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.temporary.as_ref().expect("kept until drop").path()
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(temporary) = self.temporary.take() else { return };
        if !std::thread::panicking() {
            return;
        }
        let target = artifacts().join(format!("{}-{}", self.name, std::process::id()));
        let copied = copy(temporary.path(), &target);
        match copied {
            Ok(()) => eprintln!("logs and data of the failed test: {}", target.display()),
            Err(error) => eprintln!("could not keep {}: {error}", temporary.path().display()),
        }
    }
}

/// Keeps a text of a failed test under `artifacts/`.
pub fn keep(test: &str, name: &str, text: &str) {
    let folder = artifacts().join(format!("{test}-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(name), text));
    match written {
        Ok(()) => eprintln!("kept: {}", folder.join(name).display()),
        Err(error) => eprintln!("could not keep {name}: {error}"),
    }
}

fn artifacts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("artifacts")
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
