// Questions that block: `await ask.confirm(…)`, `await ask.text(…)`. The frame shows the window (Asking.svelte).

/** What is asked, and how the answers are called. */
export interface Question {
  title: string;
  text?: string;
  /** The button that goes ahead. */
  action: string;
  danger?: boolean;
  /** With a field: its label and what stands in it. */
  field?: { label: string; value: string; hint?: string; optional?: boolean };
}

class Asking {
  question = $state<Question | null>(null);
  #resolve: ((answer: string | null) => void) | null = null;

  async confirm(question: Omit<Question, "field">): Promise<boolean> {
    return (await this.#put(question)) !== null;
  }

  /** The text that was entered, or null when the person turned back. */
  text(question: Question & Required<Pick<Question, "field">>): Promise<string | null> {
    return this.#put(question);
  }

  answer(value: string | null): void {
    this.#resolve?.(value);
    this.#resolve = null;
    this.question = null;
  }

  #put(question: Question): Promise<string | null> {
    this.answer(null);
    this.question = question;
    return new Promise((resolve) => (this.#resolve = resolve));
  }
}

/** The page's one asker. */
export const ask = new Asking();
