//! LDIF (RFC 2849): entries, and changes that add one.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::entry::TestEntry;

/// Reads the entries of a text.
pub(super) fn read(text: &str) -> Result<Vec<TestEntry>, String> {
    let mut entries = Vec::new();
    let mut open: Option<TestEntry> = None;
    for (number, line) in lines(text) {
        let wrong = |what: &str| Err(format!("line {number} of the LDIF: {what}"));
        if line.is_empty() {
            entries.extend(open.take());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { return wrong("no colon") };
        let value = match value.strip_prefix(':') {
            Some(encoded) => match STANDARD.decode(encoded.trim()) {
                Ok(value) => value,
                Err(_) => return wrong("no base64 after the two colons"),
            },
            None if value.starts_with('<') => return wrong("values from elsewhere are not read"),
            None => value.trim_start_matches(' ').as_bytes().to_vec(),
        };
        match (name.to_ascii_lowercase().as_str(), &mut open) {
            ("version", None) if value == b"1" => {}
            ("dn", None) => open = Some(TestEntry::new(String::from_utf8_lossy(&value))),
            ("changetype", Some(_)) if value == b"add" => {}
            ("changetype", _) => return wrong("only entries and changes of type `add` are read"),
            ("dn" | "version", _) => return wrong("an entry before this one has no empty line after it"),
            (_, None) => return wrong("an attribute before the `dn` of its entry"),
            (_, Some(entry)) => entry.push(name, value),
        }
    }
    entries.extend(open);
    Ok(entries)
}

/// The lines with what was folded joined again, without comments; each with its number.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix(' '), lines.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ => lines.push((at + 1, line.to_owned())),
        }
    }
    lines.retain(|(_, line)| !line.starts_with('#'));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_folded_lines_comments_and_base64() {
        let text = "version: 1\n\n# people\ndn: uid=alice,dc=ex\n ample\nchangetype: add\ncn: Alice\nsn:: w6k=\n\n\n\
                    # a comment\n  that goes on\ndn:: dWlkPXpvw6ssZGM9eA==\nuid:zoë\ndescription: \n";
        let entries = read(text).unwrap();
        let names: Vec<_> = entries.iter().map(TestEntry::dn).collect();
        assert_eq!(names, ["uid=alice,dc=example", "uid=zoë,dc=x"]);
        assert_eq!(entries[0].values("sn").next(), Some("é".as_bytes()));
        assert_eq!(entries[1].values("uid").count(), 1);
        assert_eq!(entries[1].values("description").next(), Some(&b""[..]));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (text, message) in [
            ("dn: dc=x\nnonsense", "line 2 of the LDIF: no colon"),
            ("cn: a", "line 1 of the LDIF: an attribute before the `dn` of its entry"),
            (
                "dn: dc=x\nchangetype: delete",
                "line 2 of the LDIF: only entries and changes of type `add` are read",
            ),
            ("dn: dc=x\ncn:: ***", "line 2 of the LDIF: no base64 after the two colons"),
            ("dn: dc=x\njpegPhoto:< file:///x", "line 2 of the LDIF: values from elsewhere are not read"),
            ("dn: dc=x\ndn: dc=y", "line 2 of the LDIF: an entry before this one has no empty line after it"),
        ] {
            assert_eq!(read(text).unwrap_err(), message);
        }
    }
}
