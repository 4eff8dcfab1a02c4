//! The operating system's keyring: the Secret Service on Linux (GNOME's keyring, KWallet, KeePassXC), the Keychain on macOS, the
//! Credential Manager on Windows. It may ask its owner for a password, so it is asked only for what is known to be there.

use crate::keys::Key;
use keyring::{Entry, Error as Fault};
use parasol_core::{Error, ErrorKind, Result};
use std::sync::mpsc::channel;
use std::time::Duration;

/// What keys are kept under, beside the provider's name.
pub(crate) const SERVICE: &str = "parasol";
/// So long may somebody take to find the password of their keyring.
const PATIENCE: Duration = Duration::from_secs(120);

/// The key of a provider.
///
/// # Errors
/// `Denied` when it is not there any more, or the keyring cannot be reached or stays locked.
pub(crate) fn get(service: &str, provider: &str) -> Result<Key> {
    let text = within(service, provider, |entry| entry.get_password())?;
    Key::new(&text, &format!("the keyring, kept for {provider}"))
}

/// Keeps the key of a provider.
///
/// # Errors
/// `Denied` when the keyring cannot be reached or stays locked.
pub(crate) fn set(service: &str, provider: &str, key: &Key) -> Result<()> {
    let key = key.clone();
    within(service, provider, move |entry| entry.set_password(key.reveal()))
}

/// Forgets the key of a provider, if it is there.
///
/// # Errors
/// As [`set`].
pub(crate) fn delete(service: &str, provider: &str) -> Result<()> {
    within(service, provider, |entry| match entry.delete_credential() {
        Err(Fault::NoEntry) => Ok(()),
        done => done,
    })
}

/// Works on a provider's entry, in a thread of its own: what waits for a password must not keep others waiting for good.
fn within<T: Send + 'static>(
    service: &str,
    provider: &str,
    work: impl FnOnce(&Entry) -> keyring::Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, done) = channel();
    let (owned, name) = (service.to_owned(), provider.to_owned());
    let thread = std::thread::Builder::new().name("parasol-keyring".into());
    thread
        .spawn(move || {
            let made = match Entry::store_status() {
                Ok(()) => {
                    Entry::new(&owned, &name).and_then(|entry| work(&entry)).map_err(|e| said(&e, &name))
                }
                Err(e) => Err(said(e, &name)),
            };
            // Whoever asked may have stopped waiting.
            let _ = sender.send(made);
        })
        .map_err(|e| Error::from(e).within("cannot start a thread for the keyring"))?;
    let told = done.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(format!("it did not answer within {} s: is it waiting to be unlocked?", PATIENCE.as_secs()))
    });
    told.map_err(|why| {
        let message = format!("the keyring of this system did not help with the key of {provider}: {why}");
        Error::new(ErrorKind::Denied, message)
    })
}

/// A fault in words, which may not hold what was read.
fn said(fault: &Fault, provider: &str) -> String {
    const OTHERWISE: &str =
        "set the provider's variable instead, or keep the key in a file by `parasol providers login`";
    match fault {
        Fault::NoEntry => {
            format!(
                "it holds none any more: keep one again by `parasol providers login {provider} --keyring`"
            )
        }
        Fault::PlatformFailure(e) | Fault::NoStorageAccess(e) => format!("{e}; {OTHERWISE}"),
        Fault::Ambiguous(all) => format!("it holds {} of them: remove all but one", all.len()),
        Fault::BadEncoding(_) | Fault::BadDataFormat(..) => "what it holds is no key".to_owned(),
        Fault::NoDefaultStore => format!("this system has none; {OTHERWISE}"),
        _ => format!("it refused; {OTHERWISE}"),
    }
}
