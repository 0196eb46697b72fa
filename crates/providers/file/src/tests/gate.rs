use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Condvar, Mutex},
};

use tokio::sync::watch;

use crate::hash::{Cpu, Failed, Hasher, Parameters};

/// Computes hashes and keeps account of them; closed, it holds every computation until it is opened.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    begun: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    open: bool,
    passes: usize,
    panics: bool,
    computed: Vec<Parameters>,
}

/// Opens the gate when the test ends, however it ends: the threads of the runtime could not be joined otherwise.
pub(crate) struct Key(Arc<Gate>);

impl Gate {
    pub(crate) fn open() -> Key {
        Self::with(true)
    }

    pub(crate) fn closed() -> Key {
        Self::with(false)
    }

    fn with(open: bool) -> Key {
        let state = State { open, passes: 0, panics: false, computed: Vec::new() };
        let (begun, _) = watch::channel(0);
        Key(Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), begun }))
    }

    pub(crate) fn set_open(&self, open: bool) {
        self.state.lock().unwrap().open = open;
        self.changed.notify_all();
    }

    /// Lets one computation through a closed gate.
    pub(crate) fn pass_one(&self) {
        self.state.lock().unwrap().passes += 1;
        self.changed.notify_all();
    }

    pub(crate) fn panic_from_now_on(&self) {
        self.state.lock().unwrap().panics = true;
    }

    /// Waits until so many computations have begun, since the gate was made.
    pub(crate) async fn begun(&self, computations: usize) {
        self.begun.subscribe().wait_for(|begun| *begun >= computations).await.unwrap();
    }

    /// How many computations have begun.
    pub(crate) fn count(&self) -> usize {
        *self.begun.borrow()
    }

    /// What was computed since this was asked last.
    pub(crate) fn computed(&self) -> HashMap<Parameters, usize> {
        let mut counts = HashMap::new();
        for parameters in std::mem::take(&mut self.state.lock().unwrap().computed) {
            *counts.entry(parameters).or_insert(0) += 1;
        }
        counts
    }
}

impl Hasher for Gate {
    fn compute(
        &self,
        parameters: Parameters,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed> {
        let mut state = self.state.lock().unwrap();
        state.computed.push(parameters);
        self.begun.send_modify(|begun| *begun += 1);
        let panics = state.panics;
        let mut state = self.changed.wait_while(state, |state| !state.open && state.passes == 0).unwrap();
        state.passes = state.passes.saturating_sub(1);
        drop(state);
        assert!(!panics, "the hasher was told to panic");
        Cpu.compute(parameters, password, salt, output)
    }
}

impl Deref for Key {
    type Target = Arc<Gate>;

    fn deref(&self) -> &Arc<Gate> {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.set_open(true);
    }
}
