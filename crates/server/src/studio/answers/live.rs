//! Answers that are being written: what they are so far, and everyone who follows them. Joining loses nothing and repeats nothing,
//! as what is told and what is changed happen under one lock.

use super::super::store::{Message, MessageState};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};

/// Events that a listener may be behind with before it gets the whole message again.
const BEHIND: usize = 1024;

/// An event as it goes over the wire.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) text: Arc<str>,
    /// Nothing follows.
    pub(super) last: bool,
}

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) owner: String,
    pub(super) conversation: String,
    now: Mutex<Now>,
    told: broadcast::Sender<Frame>,
    stop: watch::Sender<bool>,
}

#[derive(Debug)]
struct Now {
    message: Message,
    ended: bool,
}

/// All answers that are being written, by the id of their message.
#[derive(Debug, Default)]
pub(in crate::studio) struct Answers(Mutex<HashMap<String, Arc<Live>>>);

/// An event of this name.
pub(super) fn frame(name: &str, data: &impl Serialize) -> Frame {
    // Messages and numbers have no keys that are no texts, which is all that could fail.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    Frame { text: format!("event: {name}\ndata: {data}\n\n").into(), last: name == "done" }
}

#[derive(Serialize)]
struct Whole<'a> {
    message: &'a Message,
}

/// The whole message as an event.
pub(super) fn whole(name: &str, message: &Message) -> Frame {
    frame(name, &Whole { message })
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message so far, and what follows; without that, it is done.
    pub(super) fn join(&self) -> (Message, Option<broadcast::Receiver<Frame>>) {
        let now = self.lock();
        (now.message.clone(), (!now.ended).then(|| self.told.subscribe()))
    }

    /// The message so far.
    pub(super) fn message(&self) -> Message {
        self.lock().message.clone()
    }

    /// Changes the message and tells of it; nothing changes any more once it has ended.
    pub(super) fn change(&self, work: impl FnOnce(&mut Message), frame: Option<Frame>) {
        let mut now = self.lock();
        if !now.ended {
            work(&mut now.message);
            if let Some(frame) = frame {
                // Without listeners there is nobody to tell.
                let _ = self.told.send(frame);
            }
        }
    }

    /// Tells of what changes nothing.
    pub(super) fn tell(&self, frame: Frame) {
        self.change(|_| {}, Some(frame));
    }

    /// Ends it with what it has become.
    pub(super) fn end(&self, message: Message) {
        let mut now = self.lock();
        now.ended = true;
        now.message = message;
        let _ = self.told.send(whole("done", &now.message));
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Tells when it is to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to follow an answer.
    pub(super) fn begin(&self, owner: String, conversation: String, message: Message) -> Arc<Live> {
        let id = message.id.clone();
        let live = Arc::new(Live {
            owner,
            conversation,
            now: Mutex::new(Now { message, ended: false }),
            told: broadcast::Sender::new(BEHIND),
            stop: watch::Sender::new(false),
        });
        self.lock().insert(id, Arc::clone(&live));
        live
    }

    /// The answer of this id, if it is being written.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Live>> {
        self.lock().get(id).cloned()
    }

    /// Forgets an answer that has ended.
    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// What an answer is by now, if it is being written.
    pub(in crate::studio) fn now(&self, id: &str) -> Option<Message> {
        self.get(id).map(|live| live.message())
    }

    /// What is being written for an owner: conversations and the messages in them.
    pub(in crate::studio) fn of(&self, owner: &str) -> Vec<(String, String)> {
        let all = self.lock();
        let own = all.iter().filter(|(_, live)| live.owner == owner);
        own.map(|(id, live)| (live.conversation.clone(), id.clone())).collect()
    }

    /// Stops what is being written in a conversation.
    pub(in crate::studio) fn stop_all_of(&self, conversation: &str) {
        self.lock().values().filter(|live| live.conversation == conversation).for_each(|live| live.stop());
    }

    /// Takes out all that is being written, as far as it is, for the end of the server.
    pub(in crate::studio) fn interrupt(&self) -> Vec<Message> {
        let all: Vec<_> = self.lock().drain().map(|(_, live)| live).collect();
        let interrupted = all.iter().map(|live| {
            let message = Message { state: MessageState::Interrupted, ..live.message() };
            live.end(message.clone());
            live.stop();
            message
        });
        interrupted.collect()
    }
}
