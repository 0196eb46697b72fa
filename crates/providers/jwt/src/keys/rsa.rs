//! What an RSA key has to be.

use aws_lc_rs::signature::RsaPublicKeyComponents;

use super::Unusable;

/// RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used with these algorithms." Beyond the upper bound a
/// verification takes longer than a request may.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Checks modulus and exponent, and gives them back without leading zeros, which some issuers send.
pub(super) fn check<'k>(modulus: &'k [u8], exponent: &'k [u8]) -> Unusable<RsaPublicKeyComponents<&'k [u8]>> {
    let (n, e) = (significant(modulus), significant(exponent));
    let bits = bits(n);
    if !BITS.contains(&bits) {
        return Err(format!(
            "is an RSA key of {bits} bits, and {} to {} are accepted",
            BITS.start(),
            BITS.end()
        ));
    }
    if is_even(n) {
        return Err("is an RSA key whose modulus is even".to_owned());
    }
    // With an exponent of 1 every text is its own signature; an even one has no inverse.
    if is_even(e) || e == [1] {
        return Err("is an RSA key whose exponent is not an odd number of 3 or more".to_owned());
    }
    if e.len() > 8 {
        return Err("is an RSA key whose exponent has more than 64 bits".to_owned());
    }
    match weakness(n) {
        Some(weakness) => {
            Err(format!("is an RSA key {weakness}: anybody can find its private half; replace it"))
        }
        None => Ok(RsaPublicKeyComponents { n, e }),
    }
}

pub(super) fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last.is_multiple_of(2))
}

/// A public key that gives its private half away.
///
/// The library of some smart cards (CVE-2017-15361, "ROCA") made primes of the form `k * M + (65537^a mod M)`, where `M`
/// is the product of the first 126 primes for keys of 2048 bits. Then the modulus is, for each of those small primes, a
/// power of 65537 too. For a key made in any other way all of that together does not happen by chance.
fn weakness(modulus: &[u8]) -> Option<&'static str> {
    let mut all_powers = true;
    for prime in (3..=701_u32).filter(|number| is_prime(*number)) {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        if rest == 0 {
            return Some("with a tiny factor");
        }
        all_powers = all_powers && is_power_of_65537(rest, prime);
    }
    all_powers.then_some("of the ROCA weakness (CVE-2017-15361)")
}

fn is_prime(number: u32) -> bool {
    (2..number)
        .take_while(|divisor| divisor * divisor <= number)
        .all(|divisor| !number.is_multiple_of(divisor))
}

fn is_power_of_65537(rest: u32, prime: u32) -> bool {
    let step = 65537 % prime;
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * step % prime;
        if power == 1 {
            return false;
        }
    }
}
