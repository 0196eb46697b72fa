//! What cannot be read is a mistake, also where its own reader says nothing of it.

use portcullis_core::config::{Reader, Table};

use super::{
    super::{
        parse,
        providers::{Factories, Providers, Users},
        service,
    },
    *,
};

const SILENT: &str = "could not be read, and what reads it does not say why: that is a mistake of the program, please report it";

fn table(text: &str) -> Table {
    let (table, problems) = parse::parse(text);
    assert_eq!(problems, []);
    table
}

fn factories() -> Factories {
    let mut factories = Factories::default();
    factories.add("fixedConfig", Fixed::read);
    factories
}

fn told(reader: Reader) -> Vec<String> {
    reader.into_problems().iter().map(ToString::to_string).collect()
}

/// Reads a service that knows a provider `broken`, which could not be read, and of which this reader knows nothing.
fn service_told(text: &str) -> Vec<String> {
    let factories = factories();
    let mut providers = Providers::new(&factories, Users::Absent);
    let named = table("broken.fixedConfig = {}");
    providers.read_named(&Reader::new("").section(&named, "providers"));

    let (text, reader) = (table(text), Reader::new(""));
    let section = reader.section(&text, "a");
    let clock = reader.clock();
    let read = section.accounted(service::read(&section, Some("/a"), &providers, &clock, &[]));
    drop(section);
    assert!(read.is_some() || reader.warnings().is_empty());
    told(reader)
}

#[test]
fn an_element_that_cannot_be_read_opens_neither_its_service_nor_its_resource() {
    let right = "{ scopes = \"x\", fixedConfig = { token = \"t\" } }";
    let broken = "{ scopes = \"x\", use = \"broken\" }";
    for (text, place) in [
        (format!("auth = [{broken}]"), "1:9: a.auth[0]"),
        (format!("auth = [{right}, {broken}]"), "1:58: a.auth[1]"),
        (format!("auth = [{right}]\nresources.\"/x\".auth = [{broken}]"), "2:24: a.resources.\"/x\".auth[0]"),
    ] {
        assert_eq!(service_told(&text), [format!("{place}: {SILENT}")]);
    }
    assert_eq!(service_told(&format!("auth = [{right}]\nresources.\"/x\".auth = [{right}]")), [""; 0]);
}

#[test]
fn a_record_that_nobody_reads_is_told_at_its_place() {
    let factories = factories();
    for (key, expected) in
        [("fixedConfig", vec![]), ("otherConfig", vec![format!("1:15: e.otherConfig: {SILENT}")])]
    {
        let (table, reader) = (table(&format!("{key} = {{ token = \"t\" }}")), Reader::new(""));
        let providers = Providers::new(&factories, Users::Absent);
        let section = reader.section(&table, "e");
        assert_eq!(providers.read_record(&section, key).is_some(), expected.is_empty(), "{key}");
        // Nobody asked for what is in it.
        section.section(key).unwrap().node("token");
        drop(section);
        let told = told(reader);
        assert!(expected.iter().all(|expected| told.contains(expected)), "{told:?}");
        assert_eq!(told.is_empty(), expected.is_empty(), "{told:?}");
    }
}

#[cfg(feature = "client")]
#[test]
fn a_client_whose_assertion_cannot_be_read_is_told_at_its_place() {
    use portcullis_core::AssertionReader;

    use super::super::clients::{Hooks, read_all};

    let text = table(
        "[clients.orders]\nurl = \"https://orders.example\"\n\
         auth = { tokenUrl = \"https://id.example/token\", assertion = {} }",
    );
    let reader = Reader::new("").plug(AssertionReader::new(|_, _| None));
    let root = reader.section(&text, "");
    assert!(read_all(&root, &Hooks::default()).is_empty());
    drop(root);
    assert_eq!(told(reader), [format!("1:1: clients.orders: {SILENT}")]);
}
