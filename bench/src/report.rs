//! The table.

use std::collections::BTreeMap;

use crate::{
    Outcome,
    budget::{BUDGETS, BYTES_BESIDE_A_TOKEN, GROWTH, Limit},
    measure::Cost,
    rows::{self, ROWS, Row},
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

/// Says of each budget how much of it is left.
///
/// # Errors
///
/// With every budget that is exceeded.
pub fn judge(costs: &Costs, bytes: &str) -> Outcome {
    let mut exceeded = Vec::new();
    let mut check = |what: String, is: f64, at_most: f64| {
        let left = at_most - is;
        let share = if at_most > 0.0 { format!("{:>5.0} %", 100.0 * left / at_most) } else { String::new() };
        println!("{what:66}{is:>9.0} of {at_most:>6.0}{left:>9.0} left{share}");
        if is > at_most {
            exceeded.push(what);
        }
    };
    println!();
    let cost =
        |id: &str| rows::find(id).and_then(|row| over(costs, row)).ok_or_else(|| format!("{id} is missing"));
    for budget in BUDGETS {
        let cost = cost(budget.row)?;
        let pairs = [
            ("instructions", cost.instructions, budget.instructions_held()),
            ("allocations", cost.allocations, budget.allocations),
        ];
        for (unit, is, at_most) in pairs {
            if let (Some(is), Some(at_most)) = (is, at_most) {
                check(format!("{}: {unit}", budget.row), is, at_most);
            }
        }
        if let (Some(is), Some(aim), Some(_)) = (cost.instructions, budget.instructions, budget.held_at)
            && is > aim
        {
            println!("{:66}{is:>9.0}, where {aim:.0} are aimed at", "");
        }
    }
    for growth in GROWTH {
        let instructions = |id| cost(id).map(|cost| cost.instructions.unwrap_or_default());
        let (few, many) = (instructions(growth.few)?, instructions(growth.many)?);
        let at_most = match growth.at_most {
            Limit::Share(share) => share * few,
            Limit::Instructions(number) => number,
        };
        check(format!("{} → {}: instructions more", growth.few, growth.many), many - few, at_most);
    }
    let bytes: Vec<f64> = bytes.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [token, kept, flooded] = bytes[..] else {
        return Err("the bytes of a remembered token were not measured".into());
    };
    check("a remembered token: bytes beside its own".to_owned(), kept - token, BYTES_BESIDE_A_TOKEN);
    let of_each = "the same in a cache that saw twenty times as many as it holds";
    check(of_each.to_owned(), flooded - token, BYTES_BESIDE_A_TOKEN);
    if exceeded.is_empty() { Ok(()) } else { Err(format!("over budget: {}", exceeded.join(", ")).into()) }
}
