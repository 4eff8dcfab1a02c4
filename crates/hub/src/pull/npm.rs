//! Tarballs through Node's npm. `npm pack` of a package in a registry fetches its archive and unpacks nothing; scripts are forbidden
//! beside.

use super::client::{Client, Marks};

pub(super) static NPM: Client = Client {
    name: "npm",
    full_name: "npm, which comes with Node.js",
    index: "package registry",
    archive: "tarball",
    ending: "tgz",
    between: "@",
    commands: |settings| settings.npm_commands(),
    own: |settings| settings.npm.as_deref(),
    variable: "PARASOL_NPM",
    install: "install Node.js with npm",
    words: |wanted, folder, temporary| {
        let fixed = [
            "pack",
            "--ignore-scripts",
            "--loglevel=error",
            "--no-update-notifier",
            "--no-progress",
            "--fetch-retries=2",
        ];
        let places = ["--cache".into(), temporary.into(), "--pack-destination".into(), folder.into()];
        fixed.iter().map(Into::into).chain(places).chain([wanted.into()]).collect()
    },
    marks: Marks {
        missing: &["Cannot find module 'npm", "npm does not support Node.js"],
        missing_why: "this Node.js cannot run npm",
        space: &["ENOSPC", "EDQUOT"],
        checksum: &["EINTEGRITY"],
        denied: &["code E401", "code E403", "code E407", "code ENEEDAUTH"],
        network: &[
            "ENOTFOUND",
            "EAI_AGAIN",
            "ECONNREFUSED",
            "ECONNRESET",
            "ETIMEDOUT",
            "ERR_SOCKET_TIMEOUT",
            "EHOSTUNREACH",
            "ENETUNREACH",
            "CERT_",
            "SELF_SIGNED",
            "UNABLE_TO_VERIFY",
        ],
        unknown: &["code E404", "code ETARGET", "code ENOVERSIONS"],
        line: "npm ",
    },
};

#[cfg(all(test, unix))]
mod tests {
    use super::NPM;
    use parasol_core::ErrorKind;

    #[test]
    fn each_report_of_npm_gets_its_own_kind() {
        let kind = |log: &str| NPM.kind_of(log);
        // Those of npm 10 and 11 say "npm error", older ones "npm ERR!".
        for lead in ["npm error", "npm ERR!"] {
            assert_eq!(kind(&format!("{lead} code E404\n{lead} 404 Not Found")), Some(ErrorKind::NotFound));
            assert_eq!(kind(&format!("{lead} code ETARGET")), Some(ErrorKind::NotFound));
            assert_eq!(kind(&format!("{lead} code ECONNREFUSED")), Some(ErrorKind::Network));
            assert_eq!(kind(&format!("{lead} code E401")), Some(ErrorKind::Denied));
            assert_eq!(kind(&format!("{lead} code EINTEGRITY")), Some(ErrorKind::Checksum));
            assert_eq!(kind(&format!("{lead} code ENOSPC")), Some(ErrorKind::NoSpace));
            assert_eq!(kind(&format!("{lead} something new")), Some(ErrorKind::Network));
        }
        assert_eq!(kind("Error: Cannot find module 'npm/bin/npm-cli.js'"), None);
    }
}
