#![allow(clippy::unwrap_used)]

use super::super::job::JobState;
use super::*;
use parasol_core::FilmRequest;
use parasol_wire::filming::Shot;

fn job() -> FilmJob {
    let shot = Shot { seconds: 4, size: "1280x720".parse().unwrap() };
    FilmJob::new(&FilmRequest { prompt: "A cat.".into(), ..FilmRequest::default() }, shot, "m", "p")
}

fn store() -> (tempfile::TempDir, Films) {
    let home = tempfile::tempdir().unwrap();
    let films = Films::at(home.path());
    (home, films)
}

#[test]
fn jobs_are_found_again_and_are_their_owners_alone() {
    let (home, films) = store();
    assert!(films.all().unwrap().is_empty());
    let (one, mut two) = (job(), job());
    two.created = one.created + 1.second();
    for job in [&one, &two] {
        drop(films.create(job).unwrap());
    }
    assert_eq!(films.get(&one.id).unwrap(), one);
    let ids: Vec<_> = films.all().unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(ids, [two.id.clone(), one.id.clone()]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.path().join(FOLDER)), 0o700);
        for entry in std::fs::read_dir(home.path().join(FOLDER)).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
    films.forget(&one.id).unwrap();
    films.forget(&two.id).unwrap();
    assert_eq!(std::fs::read_dir(home.path().join(FOLDER)).unwrap().count(), 0);
    assert_eq!(*films.get(&one.id).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn one_looks_after_a_job_at_a_time() {
    let (_home, films) = store();
    let job = job();
    let hold = films.create(&job).unwrap();
    assert!(films.hold(&job.id).unwrap().is_none() && films.is_held(&job.id));
    drop(hold);
    assert!(!films.is_held(&job.id) && films.hold(&job.id).unwrap().is_some());
    assert!(!films.is_to_end(&job.id));
    films.ask_to_end(&job.id).unwrap();
    assert!(films.is_to_end(&job.id));
    films.end_is_seen(&job.id);
    assert!(!films.is_to_end(&job.id));
}

#[test]
fn what_is_damaged_is_left_alone_and_no_name_leads_elsewhere() {
    let (home, films) = store();
    let job = job();
    drop(films.create(&job).unwrap());
    std::fs::write(home.path().join("secret.json"), "{}").unwrap();
    for name in ["../secret", "", "video_", "video_../../../../../../../../secret00", "x\0y"] {
        assert_eq!(*films.get(name).unwrap_err().kind(), ErrorKind::NotFound, "{name:?}");
        films.forget(name).unwrap();
    }
    assert!(home.path().join("secret.json").exists());
    let path = films.path(&job.id, "json");
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(*films.get(&job.id).unwrap_err().kind(), ErrorKind::Corrupt, "{cut}");
        assert!(films.all().unwrap().is_empty());
        // What it promised is kept until somebody has looked.
        assert!(films.has(&job.id));
    }
    let other = self::job();
    std::fs::rename(&path, films.path(&other.id, "json")).unwrap();
    std::fs::write(films.path(&other.id, "json"), &whole).unwrap();
    assert!(films.get(&other.id).unwrap_err().message().contains("another"));
}

#[test]
fn films_go_when_their_time_has_come() {
    let (_home, films) = store();
    let now = Timestamp::now();
    let over = |hours: i64, kept: i64| FilmJob {
        state: JobState::Completed,
        ended: Some(now - hours.hours()),
        expires: Some(now - hours.hours() + kept.hours()),
        ..job()
    };
    let (fresh, stale, old) = (over(1, 48), over(49, 48), over(31 * 24, 48));
    let open = FilmJob { created: now - (60 * 24).hours(), ..job() };
    for job in [&fresh, &stale, &old, &open] {
        drop(films.create(job).unwrap());
        std::fs::write(films.film(&job.id), "film").unwrap();
    }
    films.sweep().unwrap();
    assert!(films.open(&fresh).is_ok() && films.open(&open).is_ok());
    let error = films.open(&stale).unwrap_err();
    assert!(error.message().contains("kept until") && films.get(&stale.id).is_ok(), "{error}");
    assert!(films.get(&old.id).is_err() && films.get(&open.id).is_ok());
}

#[test]
fn no_more_jobs_are_taken_than_are_looked_after() {
    let (_home, films) = store();
    let first = job();
    drop(films.create(&first).unwrap());
    let text = std::fs::read_to_string(films.path(&first.id, "json")).unwrap();
    for number in 1..MOST_OPEN {
        let id = format!("video_{number:032x}");
        std::fs::write(films.path(&id, "json"), text.replace(&first.id, &id)).unwrap();
    }
    let error = films.create(&job()).unwrap_err();
    assert!(*error.kind() == ErrorKind::Overloaded && error.message().contains("1000"), "{error}");
}
