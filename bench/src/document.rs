//! What `docs/performance.md` shows: the numbers, and pictures of them.

use std::{fs, path::Path};

use crate::{
    Outcome,
    budget::BUDGETS,
    picture::{Bar, bars, whole},
    report::{Costs, over},
    rows::{self, ROWS, Row},
};

/// A picture: its file, what stands above it, and the rows in it.
struct Picture {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    rows: &'static [&'static str],
    value: fn(&Costs, &Row) -> Option<f64>,
}

const PICTURES: &[Picture] = &[
    Picture {
        file: "warm.svg",
        title: "Instructions over the unprotected route, credential seen before",
        unit: "",
        rows: &[
            "idle-layer",
            "tower-http",
            "jwt-warm-outside",
            "jwt-warm",
            "introspection-warm",
            "basic-warm",
            "refused-none",
        ],
        value: instructions,
    },
    Picture {
        file: "cold.svg",
        title: "Time over the unprotected route, RS256 token never seen",
        unit: "µs",
        rows: &[
            "rs256-raw",
            "rs256-cold",
            "tower-oauth2",
            "jwt-authorizer",
            "oauth-resource-server",
            "huskarl",
        ],
        value: microseconds,
    },
    Picture {
        file: "cold-es256.svg",
        title: "The same, ES256",
        unit: "µs",
        rows: &[
            "es256-raw",
            "es256-cold",
            "tower-oauth2-es256",
            "jwt-authorizer-es256",
            "oauth-resource-server-es256",
            "huskarl-es256",
        ],
        value: microseconds,
    },
    Picture {
        file: "cold-eddsa.svg",
        title: "The same, EdDSA",
        unit: "µs",
        rows: &[
            "eddsa-raw",
            "eddsa-cold",
            "tower-oauth2-eddsa",
            "jwt-authorizer-eddsa",
            "oauth-resource-server-eddsa",
            "huskarl-eddsa",
        ],
        value: microseconds,
    },
    Picture {
        file: "client.svg",
        title: "Instructions of a client's credential, over the bare request",
        unit: "",
        rows: &["client-token", "client-token-once", "client-signed", "client-signed-once", "client-basic"],
        value: instructions,
    },
];

fn instructions(costs: &Costs, row: &Row) -> Option<f64> {
    over(costs, row)?.instructions
}

fn microseconds(costs: &Costs, row: &Row) -> Option<f64> {
    let cost = costs.get(row.id)?;
    let own = if row.over.is_some() { cost.nanoseconds_over } else { cost.nanoseconds };
    Some(own? / 1_000.0)
}

/// Rows that are not ours, by how their names begin.
const OTHERS: &[&str] = &[
    "idle-layer",
    "tower-http",
    "rs256-raw",
    "es256-raw",
    "eddsa-raw",
    "tower-oauth2",
    "jwt-authorizer",
    "oauth-resource-server",
    "huskarl",
];

/// Between these two lines of `docs/performance.md` stands the table.
const TABLE: [&str; 2] = ["<!-- table: written by `bench table` -->\n", "<!-- end of the table -->\n"];

/// Puts the table into the page.
///
/// # Errors
///
/// When the page cannot be read or written, or has no place for it.
pub fn put_into(page: &Path, costs: &Costs) -> Outcome {
    let text = fs::read_to_string(page)?;
    let (before, rest) = text.split_once(TABLE[0]).ok_or("the page has no place for the table")?;
    let (_, after) = rest.split_once(TABLE[1]).ok_or("the place for the table has no end")?;
    Ok(fs::write(page, [before, TABLE[0], &table(costs), TABLE[1], after].concat())?)
}

/// All rows that were measured, over their baselines, with what they may cost.
fn table(costs: &Costs) -> String {
    let mut table = String::from(
        "| | time | instructions | at most | allocations | at most |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in ROWS {
        let Some(cost) = over(costs, row) else { continue };
        let number = |number: Option<f64>| number.map(whole).unwrap_or_default();
        let time = if row.over.is_some() { cost.nanoseconds_over } else { cost.nanoseconds };
        let budget = BUDGETS.iter().find(|budget| budget.row == row.id);
        let cells = [
            row.title.to_owned(),
            time.map(duration).unwrap_or_default(),
            number(cost.instructions),
            number(budget.and_then(|budget| budget.instructions)),
            number(cost.allocations),
            number(budget.and_then(|budget| budget.allocations)),
        ];
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}

/// With no more digits than were measured.
fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        up_to if up_to < 1e4 => whole(up_to) + " ns",
        up_to if up_to < 1e6 => format!("{:.1} µs", up_to / 1e3),
        longer => format!("{:.1} ms", longer / 1e6),
    }
}

/// Writes the numbers as JSON, and draws what was measured of each picture.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write(costs: &Costs, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("results.json"), format!("{}\n", serde_json::to_string_pretty(costs)?))?;
    for picture in PICTURES {
        let rows = picture.rows.iter().filter_map(|id| rows::find(id));
        let drawn: Vec<Bar<'_>> = rows
            .filter_map(|row| {
                let value = (picture.value)(costs, row)?;
                Some(Bar {
                    title: row.title,
                    value,
                    ours: !OTHERS.iter().any(|other| row.id.starts_with(other)),
                })
            })
            .collect();
        if !drawn.is_empty() {
            bars(&folder.join(picture.file), picture.title, picture.unit, &drawn)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Cost;

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        for (nanoseconds, told) in
            [(97.4, "97 ns"), (9_999.0, "9,999 ns"), (14_253.0, "14.3 µs"), (12_090_907.0, "12.1 ms")]
        {
            assert_eq!(duration(nanoseconds), told);
        }
    }

    #[test]
    fn what_was_measured_is_drawn_over_its_baseline_and_kept() {
        let folder = std::env::temp_dir().join(format!("portcullis-bench-pictures-{}", std::process::id()));
        let cost = |instructions| Cost { instructions: Some(instructions), ..Cost::default() };
        let costs = Costs::from([("route".into(), cost(6_544.0)), ("jwt-warm".into(), cost(9_544.0))]);
        write(&costs, &folder).unwrap();
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let kept: Costs = serde_json::from_str(&read("results.json")).unwrap();
        assert_eq!(kept.len(), 2);
        let drawn = read("warm.svg");
        assert!(drawn.contains("JWT seen before") && drawn.contains("3,000"), "{drawn}");
        assert!(!folder.join("client.svg").exists());

        let page = folder.join("page.md");
        fs::write(&page, format!("Before\n{}an old table\n{}After\n", TABLE[0], TABLE[1])).unwrap();
        put_into(&page, &costs).unwrap();
        put_into(&page, &costs).unwrap();
        let written = read("page.md");
        assert!(
            written.starts_with("Before\n<!-- table") && written.ends_with("table -->\nAfter\n"),
            "{written}"
        );
        assert_eq!(
            written.matches("| JWT seen before |  | 3,000 | 3,400 |  | 6 |\n").count(),
            1,
            "{written}"
        );
        assert!(!written.contains("old"), "{written}");
        fs::write(&page, "no place").unwrap();
        assert!(put_into(&page, &costs).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
