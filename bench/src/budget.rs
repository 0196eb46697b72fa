//! What a request may cost. `bench gate` fails above it, and prints beside each number the margin that is left.

/// What a row may cost over its baseline: instructions and allocations.
pub struct Budget {
    pub row: &'static str,
    pub instructions: Option<f64>,
    pub allocations: Option<f64>,
}

const fn budget(row: &'static str, instructions: u32, allocations: u32) -> Budget {
    Budget { row, instructions: Some(instructions as f64), allocations: Some(allocations as f64) }
}

pub const BUDGETS: &[Budget] = &[
    budget("jwt-warm", 3_400, 6),
    budget("jwt-warm-outside", 3_400, 6),
    budget("jwt-warm-fetched", 3_400, 6),
    budget("introspection-warm", 4_600, 6),
    budget("basic-warm", 4_600, 6),
    budget("client-token", 450, 0),
    budget("client-token-once", 450, 0),
    budget("client-signed", 450, 0),
    budget("client-signed-once", 450, 0),
    budget("client-basic", 450, 0),
    Budget { row: "refused-none", instructions: Some(2_000.0), allocations: None },
    Budget { row: "refused-random", instructions: Some(3_500.0), allocations: None },
];

/// What is kept of a remembered token beside its own bytes.
pub const BYTES_BESIDE_A_TOKEN: f64 = 600.0;

/// Two rows of which the second may cost so much more: what grows must not matter, and who is refused must not cost more than
/// who is let in and was never seen.
pub struct Growth {
    pub few: &'static str,
    pub many: &'static str,
    pub at_most: Limit,
}

#[derive(Clone, Copy)]
pub enum Limit {
    /// Of what the row with few costs over its baseline.
    Share(f64),
    /// Instructions.
    Instructions(f64),
}

pub const GROWTH: &[Growth] = &[
    Growth { few: "users-1", many: "users-100000", at_most: Limit::Share(0.05) },
    Growth { few: "resources-1", many: "resources-1000", at_most: Limit::Share(0.05) },
    Growth { few: "tokens-1", many: "tokens-100000", at_most: Limit::Share(0.05) },
    Growth { few: "keys-1", many: "keys-50", at_most: Limit::Share(0.05) },
    Growth { few: "elements-0", many: "elements-3", at_most: Limit::Instructions(3.0 * 200.0) },
    Growth { few: "basic-clear", many: "refused-clear", at_most: Limit::Instructions(0.0) },
    Growth { few: "rs256-cold", many: "refused-forged", at_most: Limit::Instructions(0.0) },
    Growth { few: "rs256-cold", many: "refused-expired", at_most: Limit::Instructions(0.0) },
];
