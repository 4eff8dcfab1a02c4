// Ways to begin that a model of a few hundred million parameters manages: short, concrete, nothing to look up.

/** A prompt and what it is good for. */
export interface Starter {
  title: string;
  words: string;
}

const ALL: Starter[] = [
  {
    title: "Say it better",
    words: "Rewrite this so that it is friendly and short: I can't come to the meeting tomorrow because I am ill.",
  },
  { title: "Explain simply", words: "Explain to a ten-year-old why the sky is blue. Use three sentences." },
  { title: "Write a little code", words: "Write a Python function that says whether a word is a palindrome, and show how to call it." },
  { title: "Find a name", words: "Suggest five names for a small café by the sea, each with a reason." },
  { title: "Plan something", words: "Make a checklist for packing a bag for a weekend in the mountains." },
  { title: "Compare", words: "Compare trains and planes for a journey of 500 km, in a table with three rows." },
  { title: "Tell a story", words: "Tell a very short story about a lighthouse keeper who finds a letter." },
  { title: "Practise a language", words: "Give me six useful French sentences for ordering in a restaurant, with translations." },
];

/** Four of them, others each day. */
export function startersFor(day: Date): Starter[] {
  const from = (day.getDate() * 4) % ALL.length;
  return [...ALL.slice(from), ...ALL.slice(0, from)].slice(0, 4);
}
