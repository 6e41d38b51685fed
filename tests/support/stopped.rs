//! A thread of a running appliance held from outside, by ptrace: it stands still and knows nothing
//! of it.

#![allow(unreachable_pub, reason = "tests have no public items")]

use std::path::Path;

use wirematch::runtime::counters_file::{COUNTERS_NAME, Snapshot};

/// A thread of an appliance, held where it stands until this is dropped.
pub struct Stopped {
    thread: i32,
    go_on: std::sync::mpsc::Sender<()>,
    holder: Option<std::thread::JoinHandle<()>>,
}

impl Stopped {
    /// The thread that bears a stage's name.
    pub fn stage(data: &Path, name: &str) -> Self {
        let file = data.join(COUNTERS_NAME);
        let seen = Snapshot::read(&file).expect("it is good");
        let tasks = format!("/proc/{}/task", seen.pid);
        let task = std::fs::read_dir(tasks).expect("it runs").flatten().find(|task| {
            let comm = std::fs::read_to_string(task.path().join("comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        });
        let task = task.unwrap_or_else(|| panic!("no thread is called {name}"));
        let thread = task.file_name().to_string_lossy().parse().expect("a number");
        let (go_on, wait) = std::sync::mpsc::channel();
        let (stands, is_still) = std::sync::mpsc::channel();
        // Who holds a thread is a thread itself.
        let holder = std::thread::spawn(move || {
            hold(thread);
            stands.send(()).expect("the test waits");
            let _ = wait.recv();
            release(thread);
        });
        is_still.recv().expect("it can be held");
        Self { thread, go_on, holder: Some(holder) }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.go_on.send(());
        if let Some(holder) = self.holder.take() {
            holder.join().unwrap_or_else(|_| eprintln!("thread {} was not let go", self.thread));
        }
    }
}

#[allow(unsafe_code, reason = "a thread is stopped from outside by ptrace alone")]
fn hold(thread: i32) {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: both requests take no memory of ours.
    let done = unsafe {
        [
            libc::ptrace(libc::PTRACE_SEIZE, thread, none, none),
            libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none),
        ]
    };
    assert_eq!(done, [0, 0], "{}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let stopped = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    assert_eq!(stopped, thread);
}

#[allow(unsafe_code, reason = "as above")]
fn release(thread: i32) {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the request takes no memory of ours; a thread that is gone is let go already.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, thread, none, none) };
}
