#[doc(hidden)] pub fn run(_: &[u8]) {}
