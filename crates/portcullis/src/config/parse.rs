//! TOML 1.1 text as a tree that knows where everything stood.

use portcullis_core::config::{Location, Node, Problem, Table, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Parses `text`, and goes on after an error where that makes sense.
pub(super) fn parse(text: &str) -> (Table, Vec<Problem>) {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let at = error.span().map(|span| lines.location(span.start));
            Problem::new("", at, format!("not TOML: {}", error.message().trim()))
        })
        .collect();
    let at = Some(Location { line: 1, column: 1 });
    let table = convert_table(table.get_ref(), at, &lines, &mut problems);
    (table, problems)
}

fn convert_table(
    table: &DeTable<'_>,
    at: Option<Location>,
    lines: &Lines<'_>,
    problems: &mut Vec<Problem>,
) -> Table {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut converted = Table::new(at);
    for (key, value) in entries {
        let key_at = Some(lines.location(key.span().start));
        let node = convert(value, lines, problems);
        converted.insert_at(key.get_ref().as_ref(), key_at, node);
    }
    converted
}

fn convert(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>, problems: &mut Vec<Problem>) -> Node {
    let at = Some(lines.location(value.span().start));
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.as_ref().to_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                problems.push(Problem::new("", at, "the number does not fit into 64 bits"));
                Value::Other("a number that is too large")
            }
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Other("a number that cannot be read"),
        },
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| convert(item, lines, problems)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, at, lines, problems)),
    };
    Node::new(value, at)
}

/// Where lines start.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    fn location(&self, offset: usize) -> Location {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Location { line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kind_and_place() {
        let (table, problems) = parse("a = 1\nb = [ \"x\",\n  0x1F ]\n[c.\"/foo\"]\n\"zoë\" = true\n");
        assert!(problems.is_empty());
        assert_eq!(table.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        let Some(Value::Array(items)) = table.get("b").map(Node::value) else { panic!("an array") };
        assert!(matches!(items[1].value(), Value::Integer(31)));
        assert_eq!(items[1].at(), Some(Location { line: 3, column: 3 }));
        let Some(Value::Table(inner)) = table.get("c").map(Node::value) else { panic!("a table") };
        assert_eq!(inner.key_at("/foo"), Some(Location { line: 4, column: 4 }));
    }

    #[test]
    fn inline_tables_may_span_lines() {
        let (table, problems) =
            parse("auth = [\n  { scopes = [\"hello\"], fileUserStoreConfig = {\n  } },\n]\n");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(table.get("auth").is_some());
    }

    #[test]
    fn syntax_errors_have_a_place_and_never_show_the_line() {
        let (_, problems) = parse("a = 1\npassword = canary-secret\n\na = 2\n");
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(texts.len() >= 2, "{texts:?}");
        assert!(texts[0].starts_with("2:"), "{texts:?}");
        assert!(texts.iter().any(|text| text.starts_with("4:1: ")), "{texts:?}");
        assert!(!texts.concat().contains("canary"), "{texts:?}");
    }
}
