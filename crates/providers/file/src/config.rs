//! The sections of Config.toml that belong to the file user store.

use std::{collections::HashMap, sync::Arc};

use portcullis_core::{Secret, config::Section};

use crate::{
    hash::PasswordHash,
    user::{Password, User, password_problem, scopes_problem, username_problem},
};

/// `fileUserStoreConfig = {}`: an element that asks the users of `[[auth.users]]` and `[[ballerina.auth.users]]`.
/// It has no keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileUserStoreConfig;

impl FileUserStoreConfig {
    /// Reads the section. Whatever key it holds is noted as unknown.
    #[must_use]
    pub fn read(section: Section<'_>) -> Self {
        drop(section);
        Self
    }
}

/// Reads the users of all sections given, those of `[[auth.users]]` and of `[[ballerina.auth.users]]` together.
///
/// Each has a `username`, unique among all of them; `password`, a secret, or `passwordHash`; and `scopes`, a string
/// or an array of strings. Every mistake is noted at its key, and no message holds a password or a hash. Users with
/// mistakes are left out of the result: whoever calls this looks at the reader's problems before using it. Clear
/// text passwords are noted as one warning.
#[must_use]
pub fn read_users(sections: Vec<Section<'_>>) -> Vec<User> {
    let mut names = HashMap::with_capacity(sections.len());
    let users: Vec<Option<User>> = sections.iter().map(|section| read_user(section, &mut names)).collect();
    let clear = || {
        let both = sections.iter().zip(&users);
        both.filter(|(_, user)| user.as_ref().is_some_and(|user| user.password.is_clear()))
    };
    if let Some((first, _)) = clear().next() {
        let others = match clear().count() {
            1 => String::new(),
            count => format!(", this one and {} more", count - 1),
        };
        first.warn(
            "password",
            format!("a password in clear text{others}: use `passwordHash`, which `portcullis hash` makes"),
        );
    }
    // Keys that nobody asked for are noted now.
    drop(sections);
    users.into_iter().flatten().collect()
}

/// Reads a user. All keys are asked for, whatever is wrong with the first.
fn read_user<'s>(section: &'s Section<'_>, names: &mut HashMap<String, &'s str>) -> Option<User> {
    let username = section.required_string("username").and_then(|username| {
        let problem = username_problem(&username).map(str::to_owned).or_else(|| {
            let first = names.get(&username)?;
            Some(format!("{first} has this name already: user names are unique"))
        });
        if let Some(problem) = problem {
            section.problem("username", problem);
            return None;
        }
        names.insert(username.clone(), section.path());
        Some(username)
    });
    let scopes = section.strings("scopes").unwrap_or_default();
    if let Some(problem) = scopes_problem(&scopes) {
        section.problem("scopes", problem);
    }
    let password = match section.exactly_one(&["password", "passwordHash"])? {
        "password" => Password::Clear(section.secret("password")?),
        _ => Password::Hash(Secret::new(section.string("passwordHash")?)),
    };
    let read = match &password {
        Password::Clear(password) => password_problem(password.expose())
            .map_or(Ok(None), |problem| Err(("password", problem.to_owned()))),
        Password::Hash(hash) => PasswordHash::parse(hash.expose())
            .map(|hash| Some(Arc::new(hash)))
            .map_err(|error| ("passwordHash", format!("the password hash {error}"))),
    };
    let hash = read.map_err(|(key, problem)| section.problem(key, problem)).ok()?;
    Some(User { told: true, hash, ..User::with(username?, password).scopes(scopes) })
}

#[cfg(test)]
mod tests;
