//! `parasol imagine`: pictures of a model elsewhere into files, each as soon as it is made.

use crate::args::ImagineArgs;
use crate::exit::{Outcome, Stop};
use crate::input;
use crate::interrupt::Listener;
use crate::models;
use crate::output;
use crate::sink::Sink;
use crate::terminal::{self, harmless};
use parasol_core::{
    Error, ErrorKind, EventStream, ImagineEvent, ImagineRequest, ImagineTimings, ImagineUsage, Imagined,
    Picture, PictureFormat,
};
use parasol_runtime::Runtime;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The largest picture that is sent.
const LARGEST: u64 = 50 << 20;

/// Runs the command.
///
/// # Errors
/// When there is no prompt, a file is in the way, or the model refuses; Ctrl-C.
pub(crate) fn imagine(runtime: &Runtime, args: &ImagineArgs) -> Outcome {
    let Some(model) = &args.model else {
        return Err(Stop::wrong(
            "there is no model on this machine that makes pictures yet: name a provider's, as in --model gpt-image-2",
        ));
    };
    // Before anything is asked for, which costs money.
    let mut album = Album::open(args)?;
    let request = request(args)?;
    request.check()?;
    let painter = runtime.painter(model)?;
    album.follow(painter.imagine(request)?, args)
}

fn request(args: &ImagineArgs) -> Outcome<ImagineRequest> {
    let ending = args.output.as_deref().and_then(Path::extension).map(|e| e.to_string_lossy().into_owned());
    let format = match args.format.as_ref().or(ending.as_ref()) {
        Some(name) => Some(PictureFormat::from_name(name).ok_or_else(|| {
            Stop::wrong(format!(
                "{name:?} is no format of pictures: png, jpg, webp and gif are; --format says which"
            ))
        })?),
        None => None,
    };
    Ok(ImagineRequest {
        prompt: input::given(
            args.prompt.as_deref(),
            "prompt",
            "parasol imagine \"A lighthouse\" -o lighthouse.png",
        )?,
        negative_prompt: args.negative.clone(),
        count: args.count,
        size: args.size.as_deref().map(str::parse).transpose()?,
        quality: args.quality.clone(),
        steps: args.steps,
        guidance: args.guidance,
        seed: args.seed,
        pictures: args.image.iter().map(|path| read(path)).collect::<Outcome<_>>()?,
        mask: args.mask.as_deref().map(read).transpose()?,
        strength: args.strength,
        background: args.background.clone(),
        format,
        ..ImagineRequest::default()
    })
}

/// A picture that is sent along.
fn read(path: &Path) -> Outcome<Picture> {
    let bytes = input::read_bytes(path, LARGEST)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Stop::wrong(format!(
            "{} is larger than {}, which nobody takes",
            path.display(),
            output::bytes(LARGEST)
        )));
    }
    Ok(Picture::new(bytes).map_err(|e| e.within(path.display()))?)
}

/// Where the pictures go.
struct Album<'a> {
    path: Option<&'a Path>,
    count: usize,
    force: bool,
    made: Vec<Value>,
}

impl<'a> Album<'a> {
    fn open(args: &'a ImagineArgs) -> Outcome<Self> {
        let (path, count, force) = (args.output.as_deref(), args.count, args.force);
        let album = Self { path, count, force, made: Vec::new() };
        if path.is_none() && terminal::stdout() {
            return Err(Stop::wrong(
                "pictures do not go to a terminal: write them to a file, as in -o lighthouse.png",
            ));
        }
        if path.is_none() && count > 1 {
            return Err(Stop::wrong(
                "several pictures do not go into one pipe: name a file, as in -o lighthouse.png",
            ));
        }
        for index in 0..count.min(ImagineRequest::MOST) {
            if let Some(path) = album.name(index, None) {
                album.is_free(&path)?;
            }
        }
        Ok(album)
    }

    /// The file of a picture: numbered where there are several, with the ending that fits it.
    fn name(&self, index: usize, ending: Option<&str>) -> Option<PathBuf> {
        let path = self.path?;
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        if self.count > 1 {
            name.push(format!("-{}", index + 1));
        }
        let mut path = path.with_file_name(&name);
        if let Some(ending) = ending.map(Into::into).or_else(|| self.path?.extension().map(ToOwned::to_owned))
        {
            name.push(".");
            name.push(ending);
            path = path.with_file_name(name);
        }
        Some(path)
    }

    fn is_free(&self, path: &Path) -> Outcome {
        // A device or a pipe is there to be written to.
        let taken = std::fs::symlink_metadata(path).is_ok_and(|meta| !is_stream(&meta));
        match taken && !self.force {
            true => Err(Stop::wrong(format!(
                "{} is there already: name another file, or say --force",
                path.display()
            ))),
            false => Ok(()),
        }
    }

    /// Writes pictures as they come and tells how far they are.
    fn follow(&mut self, mut stream: EventStream<ImagineEvent>, args: &ImagineArgs) -> Outcome {
        let listener = Listener::new();
        let spinner = models::spinner("imagining");
        while let Some(event) = listener.event(&mut stream)? {
            match event {
                ImagineEvent::Ignored { field, why } => {
                    // The size that came is told in the end, and the ending of the file is set right below.
                    output::note(&harmless(&format!("{field} has no effect: {why}")));
                }
                ImagineEvent::Step { index, done, total } => {
                    let part = done.saturating_mul(100) / total.max(1);
                    spinner.say(&format!("picture {} of {}, {part} %", index + 1, self.count));
                }
                ImagineEvent::Image(image) => {
                    let done = image.index + 1;
                    self.keep(image, args)?;
                    spinner.say(&format!("{done} of {} pictures", self.count));
                }
                ImagineEvent::Started { .. } | ImagineEvent::Preview { .. } => {}
                ImagineEvent::Finished { usage, timings } => {
                    drop(spinner);
                    return self.end(&usage, &timings, args);
                }
            }
        }
        Err(Stop::Failed(Error::new(ErrorKind::Internal, "the model stopped before all pictures were made")))
    }

    /// Writes a picture under its name.
    fn keep(&mut self, image: Imagined, args: &ImagineArgs) -> Outcome {
        let Imagined { index, picture, seed, revised_prompt } = image;
        let size = picture.dimensions();
        let mut about = json!({ "format": picture.format.name(), "bytes": picture.bytes.len(),
            "width": size.map(|size| size.0), "height": size.map(|size| size.1), "seed": seed });
        if let Some(prompt) = revised_prompt {
            about["revised_prompt"] = prompt.into();
        }
        let path = self.name(index, None).map(|wanted| {
            let path = self.fitting(index, &wanted, picture.format, args);
            if self.is_free(&path).is_err() { beside(&path) } else { path }
        });
        // What fails leaves what was there.
        let mut sink = Sink::open(path.as_deref())?;
        sink.write(&picture.bytes)?;
        sink.end(|_| Ok(()))?;
        let Some(path) = path else { return Ok(()) };
        about["file"] = path.display().to_string().into();
        if !args.json {
            output::line(&harmless(&path.display().to_string()))?;
        }
        self.made.push(about);
        Ok(())
    }

    /// The name, with another ending where the picture is packed otherwise than that says.
    fn fitting(&self, index: usize, wanted: &Path, format: PictureFormat, args: &ImagineArgs) -> PathBuf {
        let said = wanted.extension().and_then(|ending| PictureFormat::from_name(&ending.to_string_lossy()));
        if args.format.is_some() || said.is_none_or(|said| said == format) {
            return wanted.to_owned();
        }
        let ending = if format == PictureFormat::Jpeg { "jpg" } else { format.name() };
        let path = self.name(index, Some(ending)).unwrap_or_else(|| wanted.to_owned());
        output::note(&harmless(&format!(
            "the provider sent {}: it is written to {}",
            format.name(),
            path.display()
        )));
        path
    }

    fn end(&self, usage: &ImagineUsage, timings: &ImagineTimings, args: &ImagineArgs) -> Outcome {
        if args.stats {
            let plural = if usage.images == 1 { "" } else { "s" };
            output::note(&format!(
                "{} picture{plural} in {}, the first after {}{}",
                usage.images,
                output::duration(timings.total),
                output::duration(timings.first_image),
                usage.cost.map(|cost| format!("; {cost}")).unwrap_or_default(),
            ));
        }
        if args.json {
            output::json(&json!({
                "model": args.model, "images": self.made, "seconds": timings.total.as_secs_f64(),
                "usage": { "input_tokens": usage.input_tokens(), "output_tokens": usage.output_tokens },
                "cost_usd": usage.cost.map(|cost| cost.as_dollars()),
            }))?;
        }
        Ok(())
    }
}

/// A free name like one that is taken: what is paid for is not thrown away for its name.
fn beside(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let named = |number: u64| {
        let mut name = stem.to_owned();
        name.push(format!("-{number}"));
        if let Some(ending) = path.extension() {
            name.push(".");
            name.push(ending);
        }
        path.with_file_name(name)
    };
    let free = (2..).map(named).find(|path| std::fs::symlink_metadata(path).is_err());
    let free = free.unwrap_or_else(|| path.to_owned());
    let (taken, name) = (path.display(), free.display());
    output::note(&harmless(&format!("{taken} is there already: the picture is written to {name}")));
    free
}

#[cfg(unix)]
fn is_stream(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    kind.is_char_device() || kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_stream(_: &std::fs::Metadata) -> bool {
    false
}
