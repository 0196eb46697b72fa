//! Who computes a hash lets others go first.

/// Lowers the priority of this thread for good: whoever is asked all the time for hashes slows down logins, and nothing else
/// that wants the processor. On Linux, where each thread has a priority of its own; elsewhere nothing is done.
#[cfg(target_os = "linux")]
pub(super) fn step_back() {
    /// A third of the weight of the other threads: while they leave no processor free, logins go on, slowly.
    const NICENESS: i32 = 5;
    // Nobody may forbid a thread to lower its own. Were it otherwise, it would compute as it is.
    if let Ok(niceness) = rustix::process::getpriority_process(None)
        && niceness < NICENESS
    {
        _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) const fn step_back() {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;

    use super::step_back;

    /// Of a new thread, before and after.
    fn niceness() -> (i32, i32) {
        let thread = || {
            let before = getpriority_process(None).unwrap();
            step_back();
            (before, getpriority_process(None).unwrap())
        };
        thread::spawn(thread).join().unwrap()
    }

    #[test]
    fn the_thread_steps_back_and_no_other_does() {
        let ours = getpriority_process(None).unwrap();
        assert_eq!(niceness(), (ours, ours.max(5)));
        assert_eq!(getpriority_process(None).unwrap(), ours);
    }

    #[test]
    fn a_thread_that_stands_further_back_stays_there() {
        let further = || {
            rustix::process::setpriority_process(None, 7).unwrap();
            niceness()
        };
        assert_eq!(thread::spawn(further).join().unwrap(), (7, 7));
    }
}
