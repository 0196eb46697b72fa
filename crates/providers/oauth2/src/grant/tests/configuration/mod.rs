//! The records of grants: what is read, and every mistake at its key.

mod authentication;
mod client_credentials;
mod others;
mod telling;

use std::sync::{Arc, Mutex};

use portcullis_core::{AssertionPurpose, AssertionReader, AssertionSigner, TokenSource};
use serde_json::Value;

use super::Numbered;
use crate::{fixtures, grant};

fn read(section: &Value) -> fixtures::Read<Arc<dyn TokenSource>> {
    fixtures::read(section, grant::read)
}

fn problems(section: &Value) -> Vec<String> {
    only_problems(read(section))
}

fn only_problems(read: fixtures::Read<Arc<dyn TokenSource>>) -> Vec<String> {
    let unknown = read.problems.iter().all(|problem| problem.contains("unknown key"));
    assert!(!read.problems.is_empty() && (read.value.is_none() || unknown), "{:?}", read.problems);
    read.problems
}

/// Reads with a stand-in for what signs: it takes the key `issuer`, and notes what assertions are for.
fn read_signing(section: &Value) -> (fixtures::Read<Arc<dyn TokenSource>>, Vec<AssertionPurpose>) {
    let purposes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&purposes);
    let signing = AssertionReader::new(move |section, purpose| {
        noted.lock().unwrap().push(purpose.clone());
        section.required_string("issuer")?;
        Some(Arc::new(Numbered::default()) as Arc<dyn AssertionSigner>)
    });
    let read = fixtures::read_with(section, grant::read, |reader| reader.plug(signing.clone()));
    let purposes = purposes.lock().unwrap().clone();
    (read, purposes)
}

/// `section` with these members; null removes one.
fn changed(mut section: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are members") };
    for (key, value) in changes {
        if value.is_null() {
            section.as_object_mut().unwrap().remove(&key);
        } else {
            section[&key] = value;
        }
    }
    section
}
