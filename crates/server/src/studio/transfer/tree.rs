//! Messages that name each other, put in order: parents first, siblings as their parent names them. Whatever a file says here,
//! this ends, in time proportional to the file; what is no tree is refused with the reason.

use super::archive::MOST_MESSAGES;
use std::collections::HashMap;

/// What a message says of its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) parent: Option<&'a str>,
    /// Tells the order of siblings. Names of messages that are not there do no harm: nothing of the file is lost by them.
    pub(super) children: &'a [String],
}

/// The order found.
#[derive(Debug)]
pub(super) struct Tree {
    /// Positions in the list that was given: a parent before its children, the first branch to its end before the next.
    pub(super) order: Vec<usize>,
    /// Each one's parent, by position in the list that was given.
    pub(super) parents: Vec<Option<usize>>,
    /// How many children each has.
    pub(super) children: Vec<usize>,
}

/// Orders messages, or says why they are no tree.
pub(super) fn order(places: &[Place<'_>]) -> Result<Tree, String> {
    let count = places.len();
    if count > MOST_MESSAGES {
        return Err(format!("it has {count} messages and {MOST_MESSAGES} is the most that is taken"));
    }
    let mut known = HashMap::with_capacity(count);
    for (at, place) in places.iter().enumerate() {
        if known.insert(place.id, at).is_some() {
            return Err(format!("two of its messages have the id {}", shown(place.id)));
        }
    }
    let mut parents = Vec::with_capacity(count);
    for place in places {
        let missing = |parent| {
            format!("the message {} answers {}, which is not in the file", shown(place.id), shown(parent))
        };
        let at = |parent| known.get(parent).copied().ok_or_else(|| missing(parent));
        parents.push(place.parent.map(at).transpose()?);
    }
    // Where each stands among the children that its parent names.
    let mut ranks = vec![usize::MAX; count];
    for (parent, place) in places.iter().enumerate() {
        for (rank, child) in place.children.iter().enumerate() {
            let child = known.get(child.as_str()).filter(|child| parents.get(**child) == Some(&Some(parent)));
            if let Some(slot) = child.and_then(|child| ranks.get_mut(*child)) {
                *slot = rank.min(*slot);
            }
        }
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut roots = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(at),
            None => roots.push(at),
        }
    }
    let rank = |at: &usize| ranks.get(*at).copied().unwrap_or(usize::MAX);
    children.iter_mut().for_each(|siblings| siblings.sort_by_key(rank));
    let mut order = Vec::with_capacity(count);
    let mut open: Vec<usize> = roots.into_iter().rev().collect();
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(children.get(at).into_iter().flatten().rev());
    }
    if order.len() < count {
        // From a root every message with a way up is reached: the rest go round.
        let mut reached = vec![false; count];
        order.iter().for_each(|at| reached[*at] = true);
        let lost = reached.iter().position(|reached| !reached).and_then(|at| places.get(at));
        let id = lost.map_or("", |place| place.id);
        return Err(format!("its messages go round in a circle at {}", shown(id)));
    }
    Ok(Tree { order, parents, children: children.iter().map(Vec::len).collect() })
}

/// An id or a word of a file in a message: not longer than a line, and on one.
pub(super) fn shown(id: &str) -> String {
    let short: String = id.chars().take(64).collect();
    let dots = if short.len() < id.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place<'a>(id: &'a str, parent: Option<&'a str>, children: &'a [String]) -> Place<'a> {
        Place { id, parent, children }
    }

    #[test]
    fn parents_come_first_and_siblings_as_they_are_named() {
        let named = ["d".to_owned(), "b".to_owned(), "gone".to_owned()];
        let tree = order(&[
            place("c", Some("b"), &[]),
            place("b", Some("a"), &[]),
            place("a", None, &named),
            place("d", Some("a"), &[]),
        ]);
        let tree = tree.unwrap();
        assert_eq!(tree.order, [2, 3, 1, 0]);
        assert_eq!(tree.parents, [Some(1), Some(2), None, Some(2)]);
        assert_eq!(tree.children, [0, 1, 2, 0]);
    }

    #[test]
    fn what_is_no_tree_is_refused_with_the_reason() {
        let says = |places: &[Place<'_>], part: &str| {
            let why = order(places).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        says(&[place("a", None, &[]), place("a", None, &[])], "two of its messages have the id \"a\"");
        says(&[place("a", Some("b"), &[])], "\"b\", which is not in the file");
        says(&[place("a", Some("a"), &[])], "circle");
        let round = [place("r", None, &[]), place("a", Some("b"), &[]), place("b", Some("a"), &[])];
        says(&round, "circle at \"a\"");
        let ids: Vec<String> = (0..=MOST_MESSAGES).map(|n| n.to_string()).collect();
        says(&ids.iter().map(|id| place(id, None, &[])).collect::<Vec<_>>(), "100000 is the most");
    }

    #[test]
    fn a_very_long_conversation_is_no_harder_than_a_short_one() {
        let ids: Vec<String> = (0..MOST_MESSAGES).map(|n| n.to_string()).collect();
        let places = ids.iter().enumerate();
        let parent = |at: usize| at.checked_sub(1).map(|before| ids[before].as_str());
        let places: Vec<_> = places.map(|(at, id)| place(id, parent(at), &[])).collect();
        assert_eq!(order(&places).unwrap().order.last(), Some(&(MOST_MESSAGES - 1)));
    }

    #[test]
    fn hostile_ids_stay_on_a_line() {
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert!(shown(&"x".repeat(1000)).chars().count() < 70);
    }
}
