//! The filter by which a user is searched for: a template on the first line, the name that somebody typed behind it.

use portcullis_ldap::fuzzing::{filled, filter, is_template};

use crate::support::line;

/// A name that no template holds.
const OTHER: &str = "Qz7marker";

/// Takes the lines.
pub fn run(data: &[u8]) {
    let (template, name) = line(data);
    let (Ok(template), Ok(name)) = (std::str::from_utf8(template), std::str::from_utf8(name)) else { return };
    if let Some(bytes) = filter(template) {
        let read = tree(&bytes);
        assert!(depth(&read) <= 64, "deeper than it may be written");
    }
    if !is_template(template) {
        assert_eq!(filled(template, name), None);
        return;
    }
    assert_eq!(filled(template, ""), None, "nobody is nobody");
    if name.is_empty() || template.contains(OTHER) || name.contains(OTHER) {
        return;
    }
    // A name that is typed is a value, and changes nothing else: the filter is that of any other name, with this one in its
    // place.
    let like = tree(&filled(template, OTHER).expect("a template is good for every name"));
    let found = tree(&filled(template, name).expect("a template is good for every name"));
    assert_eq!(found, replaced(like, name.as_bytes()), "the name {name:?} changes the filter {template}");
}

/// A value of BER.
#[derive(Debug, PartialEq, Eq)]
enum Tree {
    Leaf(u8, Vec<u8>),
    Node(u8, Vec<Self>),
}

fn tree(bytes: &[u8]) -> Vec<Tree> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let [tag, first, ..] = *rest {
        let (length, head) = match first {
            0..0x80 => (usize::from(first), 2),
            _ => {
                let count = usize::from(first & 0x7f);
                let length =
                    rest[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, 2 + count)
            }
        };
        let content = &rest[head..head + length];
        found.push(if tag & 0x20 == 0 {
            Tree::Leaf(tag, content.to_vec())
        } else {
            Tree::Node(tag, tree(content))
        });
        rest = &rest[head + length..];
    }
    assert!(rest.is_empty(), "a filter is whole values");
    found
}

fn depth(trees: &[Tree]) -> usize {
    let below = |tree: &Tree| match tree {
        Tree::Leaf(..) => 1,
        Tree::Node(_, inner) => 1 + depth(inner),
    };
    trees.iter().map(below).max().unwrap_or(0)
}

fn replaced(trees: Vec<Tree>, name: &[u8]) -> Vec<Tree> {
    let one = |tree| match tree {
        Tree::Node(tag, inner) => Tree::Node(tag, replaced(inner, name)),
        Tree::Leaf(tag, content) => {
            let (mut rest, mut with) = (&content[..], Vec::new());
            while let Some(at) = rest.windows(OTHER.len()).position(|part| part == OTHER.as_bytes()) {
                with.extend_from_slice(&rest[..at]);
                with.extend_from_slice(name);
                rest = &rest[at + OTHER.len()..];
            }
            with.extend_from_slice(rest);
            Tree::Leaf(tag, with)
        }
    };
    trees.into_iter().map(one).collect()
}
