//! The table.

use std::collections::BTreeMap;

use crate::{
    budget::BUDGETS,
    measure::Cost,
    rows::{ROWS, Row},
};

/// What was measured, by the id of its row.
pub type Costs = BTreeMap<String, Cost>;

/// What a row costs over its baseline, or by itself where it has none.
pub fn over(costs: &Costs, row: &Row) -> Option<Cost> {
    let own = *costs.get(row.id)?;
    let Some(baseline) = row.over else { return Some(own) };
    let baseline = costs.get(baseline)?;
    let less = |own: Option<f64>, baseline: Option<f64>| Some(own? - baseline?);
    Some(Cost {
        instructions: less(own.instructions, baseline.instructions),
        allocations: less(own.allocations, baseline.allocations),
        ..own
    })
}

pub fn print(costs: &Costs) {
    let widths = (26, 46);
    println!(
        "{:w0$}{:w1$}{:>12}{:>9}{:>8}{:>8}{:>12}{:>12}",
        "",
        "over its baseline",
        "instr.",
        "budget",
        "alloc.",
        "budget",
        "ns",
        "ns over",
        w0 = widths.0,
        w1 = widths.1
    );
    for row in ROWS {
        let Some(cost) = over(costs, row) else { continue };
        let budget = BUDGETS.iter().find(|budget| budget.row == row.id);
        let number = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
        };
        println!(
            "{:w0$}{:w1$}{:>12}{:>9}{:>8}{:>8}{:>12}{:>12}",
            row.id,
            row.title,
            number(cost.instructions, 0),
            budget.map_or_else(String::new, |budget| number(budget.instructions, 0)),
            number(cost.allocations, 1),
            budget.map_or_else(String::new, |budget| number(budget.allocations, 0)),
            number(cost.nanoseconds, 0),
            number(cost.nanoseconds_over, 0),
            w0 = widths.0,
            w1 = widths.1
        );
    }
}
