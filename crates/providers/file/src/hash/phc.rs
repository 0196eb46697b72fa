//! PHC strings: `$algorithm$v=version$name=value,…$salt$hash`.

use std::ops::RangeInclusive;

use ::phc::PasswordHash as Phc;

use super::{HashError, Parameters, PasswordHash, argon2, pbkdf2, scrypt};

const FORMATS: &str = "argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512 as a PHC string, or bcrypt as $2b$";

/// Reads a PHC string of any algorithm.
pub(super) fn parse(text: &str) -> Result<PasswordHash, HashError> {
    if !text.starts_with('$') {
        return Err(HashError::new(format!("is no PHC string, which starts with `$`: use {FORMATS}")));
    }
    // The crate compares bytes; refusing what is not ASCII first keeps every later slice on a boundary.
    if !text.is_ascii() {
        return Err(HashError::new("holds characters outside ASCII"));
    }
    let algorithm = text.split('$').nth(1).unwrap_or_default();
    if !matches!(algorithm, "argon2id" | "argon2i" | "argon2d" | "scrypt" | "pbkdf2-sha256" | "pbkdf2-sha512")
    {
        return Err(HashError::new(format!("is of an algorithm that is not known here: use {FORMATS}")));
    }
    let parsed = Phc::new(text).map_err(|error| HashError::new(format!("is no PHC string: {error}")))?;
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Err(HashError::new("lacks a salt or a hash"));
    };
    let expected: Box<[u8]> = expected.as_bytes().into();
    let mut fields = Fields::new(&parsed)?;
    let parameters = match algorithm {
        "scrypt" => Parameters::Scrypt(scrypt::Parameters::read(&mut fields)?),
        "pbkdf2-sha256" => {
            Parameters::Pbkdf2(pbkdf2::Parameters::read(&mut fields, pbkdf2::Prf::Sha256, expected.len())?)
        }
        "pbkdf2-sha512" => {
            Parameters::Pbkdf2(pbkdf2::Parameters::read(&mut fields, pbkdf2::Prf::Sha512, expected.len())?)
        }
        variant => Parameters::Argon2(argon2::Parameters::read(&mut fields, variant)?),
    };
    fields.none_left()?;
    Ok(PasswordHash { parameters, salt: salt.as_ref().into(), expected })
}

/// The version and parameters of a PHC string, each asked for once.
pub(super) struct Fields {
    version: Option<u32>,
    parameters: Vec<(String, Option<u32>)>,
}

impl Fields {
    fn new(parsed: &Phc) -> Result<Self, HashError> {
        let mut parameters: Vec<(String, Option<u32>)> = Vec::new();
        for (name, value) in parsed.params.iter() {
            if parameters.iter().any(|(known, _)| *known == name.as_str()) {
                return Err(HashError::new(format!("has the parameter {} twice", name.as_str())));
            }
            parameters.push((name.as_str().to_owned(), value.decimal().ok()));
        }
        Ok(Self { version: parsed.version, parameters })
    }

    /// The version, where there is one.
    pub(super) const fn version(&mut self) -> Option<u32> {
        self.version.take()
    }

    /// A parameter within bounds.
    pub(super) fn number(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Result<u32, HashError> {
        let number =
            self.optional(name)?.ok_or_else(|| HashError::new(format!("lacks the parameter {name}")))?;
        if bounds.contains(&number) {
            return Ok(number);
        }
        Err(HashError::new(format!(
            "has {name}={number}, which is out of bounds: from {} to {}",
            bounds.start(),
            bounds.end()
        )))
    }

    /// A parameter that may be left out.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<u32>, HashError> {
        let Some(position) = self.parameters.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.parameters.swap_remove(position);
        value.map(Some).ok_or_else(|| HashError::new(format!("has a parameter {name} that is no number")))
    }

    fn none_left(&self) -> Result<(), HashError> {
        if self.version.is_some() {
            return Err(HashError::new("has a version, which its algorithm does not"));
        }
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => Err(HashError::new(format!("has a parameter {name} that is not known here"))),
        }
    }
}
