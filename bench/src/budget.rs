//! What a request may cost. `bench gate` fails above it, and prints beside each number the margin that is left.
//!
//! Last measured, over the baseline: jwt-warm 3,330 and 6, jwt-warm-outside 2,081 and 2, jwt-warm-fetched 3,347 and 6,
//! introspection-warm 4,251 and 6, basic-warm 4,009 and 6, refused-none 1,190, refused-random 3,309; clients below.

/// What a row may cost over its baseline: instructions and allocations.
pub struct Budget {
    pub row: &'static str,
    pub instructions: Option<f64>,
    pub allocations: Option<f64>,
    /// Where the instructions are more than they may be: what they are held at until they are fewer.
    pub held_at: Option<f64>,
}

impl Budget {
    /// Above how many instructions the gate fails.
    pub fn instructions_held(&self) -> Option<f64> {
        self.held_at.or(self.instructions)
    }
}

const fn budget(row: &'static str, instructions: u32, allocations: u32) -> Budget {
    let (instructions, allocations) = (Some(instructions as f64), Some(allocations as f64));
    Budget { row, instructions, allocations, held_at: None }
}

const fn missed(row: &'static str, instructions: u32, allocations: u32, held_at: u32) -> Budget {
    Budget { held_at: Some(held_at as f64), ..budget(row, instructions, allocations) }
}

const fn instructions(row: &'static str, instructions: u32) -> Budget {
    Budget { row, instructions: Some(instructions as f64), allocations: None, held_at: None }
}

pub const BUDGETS: &[Budget] = &[
    budget("jwt-warm", 3_400, 6),
    budget("jwt-warm-outside", 3_400, 6),
    budget("jwt-warm-fetched", 3_400, 6),
    budget("introspection-warm", 4_600, 6),
    budget("basic-warm", 4_600, 6),
    // ADR 0019 says of what they consist: 916, 446, 907, 437 and 405.
    missed("client-token", 450, 0, 936),
    budget("client-token-once", 450, 0),
    missed("client-signed", 450, 0, 927),
    budget("client-signed-once", 450, 0),
    budget("client-basic", 450, 0),
    instructions("refused-none", 2_000),
    instructions("refused-random", 3_500),
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
