//! Users in a SQLite database.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use portcullis::{
    BoxFuture, BuildError, Unavailable, UserStore,
    file::{StoredUsers, UserRecord},
    section::Section,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

/// Looks users up. Hashing, its bounds, equal cost for unknown users and the memory for verified passwords are
/// portcullis' part.
#[derive(Clone, Debug)]
pub struct SqliteUsers(Arc<Mutex<Connection>>);

impl SqliteUsers {
    /// Opens a database that is there: a misspelt path must not make an empty one.
    pub fn open(path: &Path) -> Result<Self, BuildError> {
        let unusable =
            |error| BuildError::new(format!("cannot read users from {}", path.display())).with_source(error);
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(unusable)?;
        connection.prepare_cached(QUERY).map(drop).map_err(unusable)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Reads `sqliteUserStoreConfig = { path = "users.db" }`. The path is relative to the configuration's folder.
    pub fn from_section(section: &Section<'_>) -> Result<StoredUsers, BuildError> {
        let path = section.required_file("path").ok_or_else(|| BuildError::new("the path is missing"))?;
        Ok(StoredUsers::new(Self::open(&path)?).kind("sqlite"))
    }

    fn find(&self, name: &str) -> rusqlite::Result<Option<UserRecord>> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = connection.prepare_cached(QUERY)?;
        query
            .query_row([name], |row| {
                let (name, hash, scopes): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(UserRecord::new(name, hash).scopes(scopes.split_whitespace()))
            })
            .optional()
    }
}

/// The name is bound, never pasted.
const QUERY: &str = "SELECT name, password_hash, scopes FROM users WHERE name = ?1";

impl UserStore for SqliteUsers {
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        let (users, name) = (self.clone(), username.to_owned());
        Box::pin(async move {
            // SQLite blocks, so it is asked on a thread where that holds up nobody.
            let found = tokio::task::spawn_blocking(move || users.find(&name)).await;
            match found {
                Ok(Ok(record)) => Ok(record),
                // Never "no such user": the caller is told to come back.
                Ok(Err(error)) => Err(Unavailable::new("the database cannot be asked").with_source(error)),
                Err(error) => Err(Unavailable::new("the look-up broke off").with_source(error)),
            }
        })
    }
}
