//! An interrupted `reproduce` leaves no process and no file behind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A stand-in for the node that notes its pid and never becomes ready.
fn stub_node(folder: &Path) -> PathBuf {
    let path = folder.join("stub-node");
    let pids = folder.join("pids");
    std::fs::write(&path, format!("#!/bin/sh\necho $$ >> {}\nexec sleep 600\n", pids.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn start(folder: &Path) -> Child {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    Command::new(env!("CARGO_BIN_EXE_blockchat-loadtest"))
        .args(["reproduce", "--quick", "--node-binary"])
        .arg(stub_node(folder))
        .arg("--data-dir")
        .arg(&data)
        .arg("--output")
        .arg(folder.join("report"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn pids(folder: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn interrupted_by(signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let mut program = start(folder.path());
    wait_until("five stubs to start", || pids(folder.path()).len() == 5);
    let stubs = pids(folder.path());
    assert!(stubs.iter().all(|pid| Path::new(&format!("/proc/{pid}")).exists()));
    let pid = Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    wait_until("the program to end", || program.try_wait().unwrap().is_some());
    assert_eq!(program.wait().unwrap().code(), Some(130));
    for pid in stubs {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "stub {pid} still runs");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("data")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let report = std::fs::read_to_string(folder.path().join("report/report.json")).unwrap();
    assert!(report.contains("\"complete\": false"), "{report}");
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    interrupted_by(Signal::INT);
}

#[test]
fn a_termination_leaves_nothing_behind() {
    interrupted_by(Signal::TERM);
}

#[test]
fn a_node_that_does_not_start_ends_the_run_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    std::fs::write(&node, "#!/bin/sh\necho CAPACITY: not allowed\nexit 64\n").unwrap();
    std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o755)).unwrap();
    let finished = Command::new(env!("CARGO_BIN_EXE_blockchat-loadtest"))
        .args(["reproduce", "--quick", "--node-binary"])
        .arg(&node)
        .arg("--data-dir")
        .arg(folder.path())
        .arg("--output")
        .arg(folder.path().join("report"))
        .output()
        .unwrap();
    assert_eq!(finished.status.code(), Some(1));
    let said = String::from_utf8(finished.stderr).unwrap();
    assert!(said.contains("exit status: 64") && said.contains("CAPACITY: not allowed"), "{said}");
}
